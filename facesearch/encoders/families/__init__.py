"""Models built with torch, from which encoders are exported; part of the extra `[torch]`, imported only on demand."""
