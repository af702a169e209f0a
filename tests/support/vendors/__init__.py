"""Small servers that behave as vendors' APIs do, one file each: they check what they are asked."""
