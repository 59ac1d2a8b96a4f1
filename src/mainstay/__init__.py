"""Mainstay: five production REST services on one small kernel."""

__version__ = "0.1.0"
