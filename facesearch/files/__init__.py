"""Durable changes of files, and where the program keeps its own."""
