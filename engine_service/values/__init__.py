"""JSON values as people handle them: types, dates, paths, conditions, joins, forms, rhythms.

Pure functions that node types and triggers share; nothing here knows a run.
"""
