"""dashboard.demo: the whole way of one request, on real parts, for somebody who types one command."""
