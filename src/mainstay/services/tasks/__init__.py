"""Tasks: the one list of what a team has agreed to do.

A title is there once, whatever its case and the white space around it, also when two requests race. The list filters,
searches and sorts. Every change is told as events; the same code runs on PostgreSQL and on SQLite in memory.
"""
