"""Questions in words, and answers found in what a person wrote instead of filling in a form."""

import re
from collections.abc import Mapping, Sequence

from agent_service.authors.offline.clock_times import find_times
from agent_service.authors.offline.openings import address_in, is_left_open, time_in
from agent_service.authors.offline.reader import read
from agent_service.authors.offline.reading import Http, ManualStart, Open, Unmatched, walk
from agent_service.authors.offline.text import Text
from shared.session_events import Question

_TEXTS = {
    "en": {
        "time": "At what time should it run ({about})?",
        "url": "Which address should be called for “{about}”?",
        "time_again": "“{said}” is no time of day that I know. At what time should it run "
        "({about})? For example 9:30 or 18:00.",
        "url_again": "“{said}” is no address that can be called. Which address should be called "
        "for “{about}”? It begins with https://.",
    },
    "zh": {
        "time": "应该在几点运行（{about}）？",
        "url": "“{about}”要调用哪个地址？",
        "time_again": "“{said}”不是我能识别的时间。应该在几点运行（{about}）？例如 9:30 或 18:00。",
        "url_again": "“{said}”不是可以调用的地址。“{about}”要调用哪个地址？地址以 https:// 开头。",
    },
}
_YES = re.compile(
    r"^\s*(?:yes|yep|yeah|sure|ok(?:ay)?|go(?: ahead)?|do it|build it|fine|correct|right|好的?"
    r"|是的?|可以|对|行|没问题)",
    re.IGNORECASE,
)
_NO = re.compile(r"^\s*(?:no\b|nope|not\b|don'?t|stop|cancel|不|否|算了)", re.IGNORECASE)


_SHOWN = 80


def questions_of(points: Sequence[Open], language: str) -> list[Question]:
    """The questions that open points make."""
    texts = _TEXTS.get(language, _TEXTS["en"])
    return [
        Question(
            id=one.id,
            text=texts[f"{one.kind}_again" if one.said else one.kind].format(
                about=one.about.strip(), said=one.said.strip()[:_SHOWN]
            ),
            default=one.default,
        )
        for one in points
    ]


def find_answers(message: str, questions: Sequence[Question]) -> Mapping[str, str]:
    """Which of the questions a message answers, and with what."""
    if not questions or not message.strip():
        return {}
    if len(questions) == 1:
        answer = _answer_to(questions[0], message, alone=True)
        return {questions[0].id: answer} if answer else {}
    lines = [line.strip(" -*0123456789.)") for line in message.splitlines() if line.strip()]
    if len(lines) == len(questions):
        pairs = zip(questions, lines, strict=True)
        return {
            one.id: answer for one, line in pairs if (answer := _answer_to(one, line, alone=True))
        }
    return _in_one_line(message, questions)


def unfit_answers(message: str, questions: Sequence[Question]) -> Mapping[str, str]:
    """A message that answers nothing and wishes for nothing, as what was said to each question."""
    wants_words = [one.id for one in questions if not one.choices]
    if not wants_words or not message.strip() or _is_wish(message):
        return {}
    return dict.fromkeys(wants_words, message.strip())


def _is_wish(message: str) -> bool:
    """Whether a message says something that can be built; an unsaid address is no news here."""
    reading = read([message], {})
    if not isinstance(reading.start, ManualStart) or reading.start.said:
        return True
    return any(
        not isinstance(step, Unmatched) and not (isinstance(step, Http) and step.url is None)
        for step in walk(reading.steps)
    )


def _in_one_line(message: str, questions: Sequence[Question]) -> Mapping[str, str]:
    """Several answers in one sentence: addresses in order, the time wherever it is."""
    text = Text.of(message)
    urls = [part.value for part in text.literals(text.plain, "url")]
    found: dict[str, str] = {}
    for question in questions:
        if question.id.endswith(".url") and urls:
            found[question.id] = urls.pop(0)
        elif not question.id.endswith(".url") and (
            answer := _answer_to(question, message, alone=False)
        ):
            found[question.id] = answer
    if not found and is_left_open(message):
        return {question.id: question.default or "default" for question in questions}
    return found


def _answer_to(question: Question, message: str, *, alone: bool) -> str | None:
    wants_address = question.id.endswith(".url")
    if (wants_address or question.choices) and (url := address_in(message)):
        return url
    if question.choices:
        return _choice_in(question, message)
    if is_left_open(message):
        return question.default or "default"
    if wants_address:
        return None
    return time_in(message) if alone or find_times(message) else None


def _choice_in(question: Question, message: str) -> str | None:
    """The choice that a message names: by its value, its number, its first words, yes or no."""
    said = message.strip().lower()
    values = [choice.value for choice in question.choices]
    if said in values:
        return said
    if re.fullmatch(r"[1-9]", said) and int(said) <= len(values):
        return values[int(said) - 1]
    for choice in question.choices:
        words = choice.label.lower().split(":")[0]
        if said and (said in words or words in said or choice.value in said.split()):
            return choice.value
    if "yes" in values:
        return "yes" if _YES.match(said) else "no" if _NO.match(said) else None
    return values[0] if is_left_open(message) else None
