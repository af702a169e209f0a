"""Builds a definition node by node, walking the tree of steps that a reading is.

The composer keeps the open ends of what it has built. Each step takes the ends, adds its nodes and
leaves new ends; a branch leaves those of both its ways, so that what is said after it happens on
either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from agent_service.authors.offline import parameters
from agent_service.authors.offline.beginnings import begin
from agent_service.authors.offline.canvas import COLUMN, ROW, Canvas
from agent_service.authors.offline.labels import step_label
from agent_service.authors.offline.places import End, Place, edge, meet
from agent_service.authors.offline.reading import (
    Ai,
    Answer,
    Approved,
    Arrange,
    Ask,
    Branch,
    Choice,
    Code,
    Condition,
    Connect,
    Constant,
    Fan,
    Foreign,
    Http,
    Ignore,
    Judgement,
    Keep,
    Loop,
    Mail,
    Outcome,
    Pause,
    Reading,
    SetFields,
    Split,
    Step,
    Stop,
    Together,
    Unmatched,
    Value,
    WebhookStart,
    walk,
)
from agent_service.authors.offline.scope import ERROR, RESPONSE, Subject
from agent_service.authors.offline.verdicts import (
    denied,
    interest_in,
    lone_outcome,
    settled,
    unread,
)
from agent_service.authors.offline.words import words_for
from shared.workflow import JsonObject


@dataclass(slots=True)
class Composer:
    """Puts what a reading asks for on a canvas; `assumptions` is what to tell about it."""

    reading: Reading
    canvas: Canvas
    assumptions: list[str] = field(default_factory=list[str])

    def build(self) -> None:
        """Build all of it, and name what came to nothing."""
        place = begin(self.reading, self.canvas)
        self._steps(self.reading.steps, place)
        self.assumptions += [self._words.unused(one) for one in self.reading.remarks]

    def place(self, steps: Sequence[Step], place: Place) -> Place:
        """Build steps at a place of what is there already."""
        return self._steps(steps, place)

    # --- steps

    def _steps(self, steps: Sequence[Step], place: Place) -> Place:
        index = 0
        while index < len(steps) and place.ends:  # behind a dead end nothing happens
            step, behind = steps[index], steps[index + 1 :]
            if isinstance(step, Ask):
                gated = _gate(behind[0]) if behind else None
                place = self._ask(step, gated, place)
                index += 2 if gated else 1
            else:
                place = self._step(step, behind, place)
                index += 1
        self.assumptions += [
            self._words.unreached(step.phrase)
            for step in steps[index:]
            if not isinstance(step, Ignore)
        ]
        return place

    def _step(self, step: Step, behind: Sequence[Step], place: Place) -> Place:
        label = step_label(step, self.reading.language)
        match step:
            case Http():
                return self._http(step, behind, label, place)
            case Ai():
                return self._ai(step, label, place)
            case SetFields():
                return self._set(step, label, place)
            case Answer():
                return self._answer(step, label, place)
            case Branch():
                return self._branch(step, label, place)
            case Choice():
                return self._choice(step, label, place)
            case Loop():
                return self._loop(step, label, place)
            case Fan():
                ways = [
                    self._steps(way, replace(place, row=self.canvas.next_row()))
                    for way in step.ways
                ]
                return meet(ways)
            case Together():
                return self._together(label, place)
            case _:
                return self._plain(step, label, place)

    def _plain(self, step: Step, label: str, place: Place) -> Place:
        match step:
            case Pause():
                node = self.canvas.add("flow.wait", label, parameters.pause(step), place)
                return place.behind(End(node["id"]))
            case Stop():
                message = place.scope.constant(step.message)
                self.canvas.add("flow.stop", label, {"message": message}, place)
                return place.behind()
            case Ignore():
                return place.behind()
            case Keep() | Split():
                work: Any = self._keep if isinstance(step, Keep) else self._split
                return work(step, label, place)
            case Code():
                return self._made(_code(step, label, place, self.canvas, self._words), place)
            case Arrange():
                return self._arrange(step, label, place)
            case Connect() | Mail():
                node = self.canvas.add(*parameters.acting(step, place.scope, label), place)
                return place.behind(End(node["id"]), scope=place.scope.hidden())
            case Foreign() | Unmatched():
                notes = self._words.placeholder(step.phrase)
                node = self.canvas.placeholder(label, place, notes)
                return place.behind(End(node["id"]))
            case _:
                return place

    @property
    def _words(self) -> Any:
        return words_for(self.reading.language)

    def _made(self, node: JsonObject, place: Place, subject: Subject | None = None) -> Place:
        """The place behind a node that made new data."""
        made = subject or Subject(node["name"])
        return place.behind(End(node["id"]), scope=place.scope.made(made))

    def _http(self, step: Http, behind: Sequence[Step], label: str, place: Place) -> Place:
        interest = interest_in(behind)
        given = parameters.http(step, place.scope, interest)
        notes = "" if step.url else self._words.no_address(step.purpose or step.phrase)
        node = self.canvas.add("http.request", label, given, place, notes)
        if step.url is None:
            self.canvas.unmatched.append(node["id"])
            self.assumptions.append(self._words.assumed_address(step.purpose or step.phrase))
        parts = (*RESPONSE, ERROR) if interest.unanswered else RESPONSE
        answer = Subject(node["name"], "body", parts=parts if interest.whole else ())
        ends = [End(node["id"])]
        if interest.unanswered:
            ends.append(self.canvas.error_of(node["id"]))
        if not interest.whole:
            answer = Subject(node["name"])
        return place.behind(*ends, scope=place.scope.answered(answer))

    def _ai(self, step: Ai, label: str, place: Place) -> Place:
        given = parameters.ai(step, place.scope)
        node = self.canvas.add("ai.chat", label, given, place)
        if "output_schema" in given:
            names = tuple(given["output_schema"]["properties"])
            return self._made(node, place, Subject(node["name"], "data", fields=names))
        return self._made(node, place, Subject(node["name"], text="text"))

    def _set(self, step: SetFields, label: str, place: Place) -> Place:
        given = parameters.set_fields(step, place.scope)
        notes = "" if step.fields else self._words.placeholder(step.phrase)
        node = self.canvas.add("data.set", label, given, place, notes)
        if not step.fields:
            self.canvas.unmatched.append(node["id"])
            return place.behind(End(node["id"]))
        before = place.scope.subject
        keeps = not step.only and place.scope.direct and not before.text
        fields = (*before.fields, *step.fields) if keeps else tuple(step.fields)
        root = before.root if keeps else ""
        parts = before.parts if keeps else ()
        made = Subject(node["name"], root, before.single, fields=fields, parts=parts)
        return self._made(node, place, made)

    def _split(self, step: Split, label: str, place: Place) -> Place:
        """The list's members as items; a list that stands elsewhere is fetched from there."""
        there = place.scope.field(step.path)[3:-3]
        if step.path and "data.split" in self.canvas.catalogue and there.startswith("$json."):
            given: JsonObject = {"fields": [{"name": there.removeprefix("$json.")}]}
            return self._made(self.canvas.add("data.split", label, given, place), place)
        given = parameters.split(step, place.scope)
        return self._made(self.canvas.add("code.javascript", label, given, place), place)

    def _arrange(self, step: Arrange, label: str, place: Place) -> Place:
        given = parameters.arrangement(step, place.scope)
        node = self.canvas.add(step.node_type, label, given, place)
        if node["type"] == "data.aggregate":
            return self._made(node, place, Subject(node["name"], "data", single=True))
        if not place.scope.direct:
            return place.behind(End(node["id"]), scope=place.scope.made(Subject(node["name"])))
        before = place.scope.subject
        return self._made(node, place, replace(before, node=node["name"], single=False))

    def _keep(self, step: Keep, label: str, place: Place) -> Place:
        if unread(step.condition):
            node = self.canvas.placeholder(label, place, self._words.placeholder(step.phrase))
            return place.behind(End(node["id"]))
        condition, place = self._judged(step.condition, place)
        condition = denied(settled(condition, place.scope), self._words.judged)
        given = parameters.conditions(condition, place.scope, self._words.judged)
        node = self.canvas.add("flow.filter", label, given, place)
        return place.behind(End(node["id"]))

    def _answer(self, step: Answer, label: str, place: Place) -> Place:
        if not isinstance(self.reading.start, WebhookStart):
            if fields := _result_of(step.what):
                return self._set(SetFields(step.phrase, fields, only=True), label, place)
            self.assumptions.append(self._words.nobody_waits)
            return place  # the last node's items are the result
        given = parameters.answer(step, place.scope)
        node = self.canvas.add("flow.respond", label, given, place)
        return place.behind(End(node["id"]))

    # --- ways

    def _ask(self, step: Ask, gated: Branch | None, place: Place) -> Place:
        given = parameters.approval(step, place.scope, self.reading, self._words)
        label = step_label(step, self.reading.language)
        node = self.canvas.add("human.approval", label, given, place)
        approved, rejected = End(node["id"], "approved"), End(node["id"], "rejected")
        on = self._steps(gated.then, place.behind(approved)) if gated else place.behind(approved)
        if gated and gated.otherwise:
            off = self._steps(
                gated.otherwise, replace(place.behind(rejected), row=self.canvas.next_row())
            )
            del off  # who is refused does not go on with those who are not
        elif _must_answer(self.reading):
            self._refuse(replace(place.behind(rejected), row=self.canvas.next_row()))
        return on

    def _refuse(self, place: Place) -> None:
        """Whoever waits must hear of a refusal too."""
        given = {"respond_with": "json", "body": {"approved": False}, "status": 403}
        self.canvas.add("flow.respond", self._words.refused_label, given, place)
        self.assumptions.append(self._words.refused)

    def _judged(self, condition: Condition, place: Place) -> tuple[Condition, Place]:
        """A condition whose questions of meaning a model has answered."""
        questions = [test for test in condition.tests if isinstance(test, Judgement)]
        if not questions:
            return condition, place
        if len(questions) > 1:  # one answer for all of them
            others = [test for test in condition.tests if not isinstance(test, Judgement)]
            questions = [Judgement(condition.phrase)]
            condition = replace(condition, tests=[*others, *questions])
        label = self._words.judge_label
        given = parameters.judge(questions[0], place.scope)
        node = self.canvas.add("ai.chat", label, given, place)
        return condition, place.behind(End(node["id"]), scope=place.scope.hidden())

    def _branch(self, step: Branch, label: str, place: Place) -> Place:
        outcome = lone_outcome(step.condition)
        if outcome is not None and place.scope.response is None and self.canvas.may_fail(place):
            return self._rescue(step, outcome, place)
        condition, place = self._judged(step.condition, place)
        condition = settled(condition, place.scope)
        given = parameters.conditions(condition, place.scope, self._words.judged)
        notes = self._words.no_condition(condition.phrase) if unread(condition) else ""
        node = self.canvas.add("flow.if", label, given, place, notes)
        if notes:
            self.canvas.unmatched.append(node["id"])
        yes, no = ("false", "true") if condition.negated else ("true", "false")
        on = self._steps(step.then, place.behind(End(node["id"], yes)))
        off = replace(place.behind(End(node["id"], no)), row=self.canvas.next_row())
        off = self._steps(step.otherwise, off)
        return meet([on, off])

    def _rescue(self, step: Branch, outcome: Outcome, place: Place) -> Place:
        """The two ways of a step that may fail: its own port, and that of its errors."""
        failed = [self.canvas.error_of(end.node_id) for end in place.ends]
        ways = (place.ends, failed) if outcome.well else (failed, place.ends)
        on = self._steps(step.then, place.behind(*ways[0]))
        off = self._steps(
            step.otherwise, replace(place.behind(*ways[1]), row=self.canvas.next_row())
        )
        return meet([on, off])

    def _choice(self, step: Choice, label: str, place: Place) -> Place:
        if not step.cases:
            node = self.canvas.placeholder(label, place, self._words.placeholder(step.phrase))
            return self._steps(step.default, place.behind(End(node["id"])))
        given = parameters.choice(step, place.scope)
        node = self.canvas.add("flow.switch", label, given, place)
        ways = [
            self._steps(
                case.steps, replace(place.behind(End(node["id"], port)), row=self.canvas.next_row())
            )
            for case, port in zip(step.cases, parameters.case_ports(step), strict=True)
        ]
        if step.default:
            fallback = replace(
                place.behind(End(node["id"], "fallback")), row=self.canvas.next_row()
            )
            ways.append(self._steps(step.default, fallback))
        return meet(ways)

    def _loop(self, step: Loop, label: str, place: Place) -> Place:
        if not step.steps:
            return self._plain(Unmatched(step.phrase), label, place)
        given = {"batch_size": step.batch_size} if step.batch_size > 1 else {}
        node = self.canvas.add("flow.loop", label, given, place)
        if node["type"] != "flow.loop":
            return self._steps(step.steps, place.behind(End(node["id"])))
        inside = replace(place.behind(End(node["id"], "loop")), row=self.canvas.next_row())
        body = self._steps(step.steps, inside)
        self.canvas.connections.extend(edge(end, node["id"]) for end in body.ends)
        return replace(body, ends=[End(node["id"], "done")], row=place.row)

    def _together(self, label: str, place: Place) -> Place:
        if len(place.ends) < 2:
            self.assumptions.append(self._words.nothing_to_merge)
            return place
        given = {"inputs": len(place.ends)} if len(place.ends) > 2 else {}
        node = self.canvas.add("flow.merge", label, given, place.behind())
        for number, end in enumerate(place.ends, 1):
            self.canvas.connections.append(edge(end, node["id"], f"input{number}"))
        self.canvas.columns[node["id"]] = (
            max(self.canvas.columns[end.node_id] for end in place.ends) + 1
        )
        node["position"] = [self.canvas.columns[node["id"]] * COLUMN, place.row * ROW]
        if place.scope.direct:
            return place.behind(End(node["id"]))
        return self._made(node, place)


def _must_answer(reading: Reading) -> bool:
    """Whether somebody waits for an answer that a step gives."""
    answers = any(isinstance(step, Answer) for step in walk(reading.steps))
    return answers and isinstance(reading.start, WebhookStart)


def _code(step: Code, label: str, place: Place, canvas: Canvas, words: Any) -> JsonObject:
    """A node for an author's code, which has still to be written when it was not said."""
    notes = "" if step.source else words.placeholder(step.phrase)
    node = canvas.add("code.javascript", label, parameters.code(step), place, notes)
    if not step.source:
        canvas.unmatched.append(node["id"])
    return node


def _gate(step: Step | None) -> Branch | None:
    """The two ways of an approval, when what follows it is just that."""
    if not isinstance(step, Branch):
        return None
    return step if any(isinstance(one, Approved) for one in step.condition.tests) else None


def _result_of(what: Value | Mapping[str, Value]) -> Mapping[str, Value]:
    """What was said word for word to be the answer, as fields of the run's result."""
    said: Any = what.value if isinstance(what, Constant) else None
    if isinstance(said, dict):
        named = cast("dict[str, Any]", said)
        return {name: Constant(value) for name, value in named.items()}
    return {"result": Constant(said)} if said else {}
