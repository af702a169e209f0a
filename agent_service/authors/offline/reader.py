"""From a text to a `Reading`: the start is set aside, the rest is cut up and put in a tree.

Scopes follow how people talk: a condition governs its sentence; `otherwise` belongs to the latest
condition; what comes after `then` leaves a branch that only asked for consent, because the consent
is what the condition was about.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent_service.authors.offline import framing
from agent_service.authors.offline.actions.requests import read_probe
from agent_service.authors.offline.clauses import Clause, split
from agent_service.authors.offline.conditions import read_condition
from agent_service.authors.offline.openings import fill, open_points
from agent_service.authors.offline.reading import (
    Approved,
    Ask,
    Branch,
    Choice,
    Condition,
    Fan,
    Http,
    Ignore,
    Loop,
    Reading,
    SetFields,
    Step,
    Together,
    Unmatched,
)
from agent_service.authors.offline.starts import StartFound, find_start
from agent_service.authors.offline.text import Text, language_of
from agent_service.authors.offline.titles import title_of
from agent_service.authors.offline.wishes import steps_of

_REST = re.compile(
    r"\b(?:unmatched|everything else|anything else|(?:all|any|every) others?|the rest|default"
    r"|fallback|remaining)\b|其他|其余|默认",
    re.IGNORECASE,
)
_FIRST = re.compile(
    r"\bfirst$|\bbefore (?:that|sending|posting|doing|you|it)\b|之前|先", re.IGNORECASE
)
_BEFORE = re.compile(r"^before\s+(?:(?:you|it|we|that)\s+)?", re.IGNORECASE)
_AND_CONDITION = re.compile(r"\n\s*and (?=(?:the|its|their)\b[^,\n]*,)", re.IGNORECASE)
_CONSENT_GIVEN = re.compile(
    r"^(?:(?:once|when|after|if)\s+)?(?:(?:it is|it's) )?(?:approved|approval|confirmed|agreed)$"
    r"|^(?:批准|同意|确认|审批通过|审批)$",
    re.IGNORECASE,
)


def read(said: Sequence[str], answers: Mapping[str, str]) -> Reading:
    """Everything that was said towards a workflow, with the answers filled in, as a reading."""
    original = "\n".join(said)
    text = Text.of(original)
    name = framing.find_name(text)
    show_plan = framing.wants_plan_first(text.plain)
    found = find_start(text)
    plain = framing.without_frame(_without(text.plain, found), show_plan)
    tree = _Tree(text)
    steps = tree.grow(split(plain, text))
    language = language_of(original)
    reading = Reading(
        language=language,
        title=name or title_of(found.start, steps, language) or "Workflow",
        start=found.start,
        steps=steps,
        remarks=tree.remarks,
        show_plan_first=show_plan,
    )
    filled, assumptions = fill(reading, answers)
    return replace(filled, open=open_points(filled, answers), assumptions=assumptions)


def read_steps(clauses: Sequence[Clause], text: Text) -> list[Step]:
    """The steps that some clauses ask for, without a start of their own."""
    return _Tree(text).grow(clauses)


def _without(plain: str, found: StartFound) -> str:
    """The text without the words that said the start; a sentence ends where they stood."""
    pieces = list(plain)
    for begin, end in found.spans:
        pieces[begin:end] = [" "] * (end - begin)
        if begin < len(pieces):
            pieces[begin] = "\n"
    return _AND_CONDITION.sub("\nif ", "".join(pieces))


class _Tree:
    """Grows the tree of steps, clause by clause."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._root: list[Step] = []
        self._here = self._root
        self._outside: dict[int, list[Step]] = {}
        self._branch: Branch | None = None
        self._once = False
        self._bodies: set[int] = set()
        self._held = False
        self.remarks: list[str] = []

    def grow(self, clauses: Sequence[Clause]) -> list[Step]:
        for clause in clauses:
            match clause.role:
                case "if":
                    self._open(clause)
                case "else":
                    self._turn()
                case "do" | "check":
                    self._do(clause)
        return self._root

    def _open(self, clause: Clause) -> None:
        """A condition: a new branch where we are, or back at the trunk for a new sentence."""
        self._leave(clause)
        probe, plain = read_probe(clause.plain, self._text)
        if probe is not None and not self._has_asked(probe):
            self._here.append(probe)
        condition = read_condition(plain, self._text)
        if clause.negated:
            condition = replace(condition, negated=not condition.negated)
        if self._about_consent(condition):
            return
        branch = Branch(condition.phrase, condition, [], [])
        self._here.append(branch)
        self._enter(branch, branch.then)
        self._once = clause.only

    def _has_asked(self, probe: Http) -> bool:
        """Whether the request that a condition needs was just made anyway."""
        last = self._here[-1] if self._here else None
        return isinstance(last, Http) and last.url == probe.url

    def _about_consent(self, condition: Condition) -> bool:
        """`if approved` and `if rejected` are the two ways of the approval before."""
        if not any(isinstance(test, Approved) for test in condition.tests):
            return False
        last = self._here[-1] if self._here else None
        if isinstance(last, Branch) and isinstance(last.condition.tests[0], Approved):
            self._enter(last, last.otherwise if condition.negated else last.then)
            return True
        asked = [place for place, step in enumerate(self._here) if isinstance(step, Ask)]
        if not asked:
            self._here.append(Ask(condition.phrase, ""))
            asked = [len(self._here) - 1]
        behind = self._here[asked[-1] + 1 :]
        del self._here[asked[-1] + 1 :]
        branch = Branch(condition.phrase, replace(condition, negated=False), behind, [])
        self._here.append(branch)
        self._enter(branch, branch.otherwise if condition.negated else branch.then)
        return True

    def _enter(self, branch: Branch, way: list[Step]) -> None:
        self._outside[id(way)] = self._here
        self._branch, self._here = branch, way

    def _turn(self) -> None:
        """`otherwise`: the other way of the latest branch."""
        if self._branch is not None:
            trunk = self._outside.get(id(self._branch.then), self._root)
            refused = self._here is self._branch.otherwise and not self._branch.then
            way = self._branch.then if refused else self._branch.otherwise
            self._outside[id(way)] = trunk
            self._here = way
            self._once = False

    def _leave(self, clause: Clause) -> None:
        """Where a clause belongs: a new sentence and `finally` go back to the trunk."""
        if clause.link in ("sentence", "finally"):
            self._here, self._once = self._root, False
        elif clause.link == "then" and self._here is not self._root:
            only_consent = all(isinstance(step, Ask) for step in self._here)
            if self._here and only_consent and id(self._here) not in self._bodies:
                self._here = self._outside.get(id(self._here), self._root)

    def _do(self, clause: Clause) -> None:
        self._leave(clause)
        plain = clause.plain
        if found := _BEFORE.match(plain):
            plain = plain[found.end() :]
        asked = bool(self._here) and isinstance(self._here[-1], Ask)
        steps = steps_of(plain, self._text, asked=asked)
        if not steps and framing.means_something(plain):
            steps = self._leave_aside(clause)
        for step in steps:
            self._place(step, clause, alone=len(steps) == 1)
        self._held = found is not None
        if self._once and self._here is not self._root:
            self._here, self._once = self._outside.get(id(self._here), self._root), False

    def _leave_aside(self, clause: Clause) -> list[Step]:
        """What asks for nothing that is known: a step to be filled in, or a mere remark."""
        phrase = self._text.restore(clause.plain)
        if clause.link == "sentence" or framing.tells(clause.plain):
            self.remarks.append(phrase)
            return []
        return [Unmatched(phrase)]

    def _place(self, step: Step, clause: Clause, *, alone: bool) -> None:
        if isinstance(step, Ask) and self._is_same_consent(clause):
            return
        if isinstance(step, Ignore) and clause.link == "sentence" and self._branch is not None:
            if not self._branch.otherwise:
                self._branch.otherwise.append(step)
            return
        first = self._held or _FIRST.search(clause.plain)
        if isinstance(step, Ask) and self._here and first and alone:
            self._here.insert(len(self._here) - 1, step)
            return
        last = self._here[-1] if self._here else None
        if isinstance(last, Choice) and _REST.search(clause.plain):
            last.default.append(step)
            return
        if isinstance(step, Together):
            self._gather()
        if isinstance(step, SetFields) and isinstance(last, SetFields) and not last.fields:
            self._here.pop()
        self._here.append(step)
        if isinstance(step, Loop):
            self._outside[id(step.steps)] = self._here
            self._bodies.add(id(step.steps))
            self._here = step.steps

    def _gather(self) -> None:
        """What is brought together was fetched side by side, although it was said in a row."""
        fetched: list[Step] = []
        while self._here and isinstance(self._here[-1], Http) and self._here[-1].method == "GET":
            fetched.insert(0, self._here.pop())
        if len(fetched) > 1:
            self._here.append(Fan(fetched[0].phrase, [[one] for one in fetched]))
        else:
            self._here.extend(fetched)

    def _is_same_consent(self, clause: Clause) -> bool:
        """`approved, then …` right after the approval is the same consent once more."""
        asked = bool(self._here) and isinstance(self._here[-1], Ask)
        return asked and bool(_CONSENT_GIVEN.match(clause.plain.strip()))
