"""What nodes, triggers and credentials are written against: declarations, inputs, outcomes, doors.

Whoever adds a node type needs this room and a neighbour in nodes/ to read, and nothing else.
"""
