"""The author that needs no key and no network: it reads requests by rule, in English and Chinese.

    text ─▶ clauses ─▶ reader ─▶ Reading ─┬─▶ planner ─▶ Plan
            (text, clauses)   (one file per noun)  └─▶ compose ─▶ definition

A `Reading` is what was understood: a trigger and a tree of steps, each with the words it came from.
What was not understood is in it too, as a gap or an unmatched step; nothing is made up.
"""
