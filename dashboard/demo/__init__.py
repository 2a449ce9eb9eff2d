"""dashboard.demo: the whole way of one request, on real parts, for one command typed."""
