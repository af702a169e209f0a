"""Changes to an existing workflow, as people ask for them; one file per kind of change.

Each recognizer takes a wish and the document, and gives a `Changed` or None. The document it
returns differs only where the wish says so; the editor makes the patch of the difference.
"""
