"""Five example services, as their developers write them: one inference function per task type."""
