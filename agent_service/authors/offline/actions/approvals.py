"""A person must agree before it goes on."""

import re

from agent_service.authors.offline.reading import Ask, Step
from agent_service.authors.offline.text import Text

_WHO = r"(?:me|us|my \w+|our \w+|the \w+|a \w+|an? \w+ \w+|him|her|them|[\ue000-\uf8ff]|[A-Z]\w+)"
_APPROVAL = re.compile(
    rf"\b(?:ask|asks|asking) (?:{_WHO}\s+)?(?:first\b|for (?:my |his |her |their |an? |the )?"
    r"(?:approval|permission|confirmation|ok|okay|go-?ahead|sign-?off|consent|review)"
    r"|to (?:approve|confirm|review|sign off|check|accept)|before\b"
    rf"|if (?:it|that|this) is (?:ok|okay|fine))|^asks? {_WHO}$|\b(?:get|gets|require|requires"
    r"|request|requests|need|needs|obtain|wait for|waits for|await|seek|with|after|upon|on"
    r"|subject to|send (?:it|them|this)? ?for|submit (?:it|them|this)? ?for|has|have|needs)\s+"
    rf"(?:(?:{_WHO}(?:'s|’s)?|my|our|his|her|their|manual|human|an?|the|manager'?s?)\s+){{0,3}}"
    r"(?:approval|permission|confirmation|sign-?off|go-?ahead|consent)\b"
    rf"|\b(?:have|let|has|lets) {_WHO} (?:approve|confirm|review|sign off|check|decide)\b"
    rf"|\b(?:once|when|after|only if|only when|if|unless) (?:i|we|{_WHO}) (?:approves?|confirms?"
    r"|agrees?|says? (?:yes|ok)|ok|have approved|has approved)\b|\bwaits? (?:until|till|for) "
    rf"(?:i|we|{_WHO}) (?:to )?(?:approves?|confirms?|agrees?|say)|\bhuman[- ]in[- ]the[- ]loop\b"
    r"|\b(?:manual|human) (?:review|approval|check|confirmation)\b|\b(?:i|we|the \w+|my \w+) "
    r"(?:must|has to|have to|needs? to|should|want to) (?:approve|confirm|review|sign off|agree)\b"
    r"|\b(?:must|should|has to|needs to) be (?:approved|confirmed|reviewed|signed off)\b"
    rf"|^(?:(?:once|when|after|if)\s+)?(?:i|we|{_WHO}) (?:approves?|confirms?|agrees?"
    r"|says? (?:yes|ok))\b|^(?:my|our|the|a|his|her|manual|human) (?:\w+(?:'s|’s)? )?(?:approvals?"
    r"|permission|consent|sign-?off|go-?ahead|ok)$|^approvals?$|^(?:approve|confirm)s?\b",
    re.IGNORECASE,
)
_HAN_WHO = r"(?:我|我们|经理|老板|主管|领导|财务|管理员|负责人|法务|上级|团队|人事|客服)"
_HAN = re.compile(
    r"问我|问一下我|询问我|问问我|征求|征得|(?:需要?|经过?|等待?"
    r"|得到|获得|请求|提交|由|让|请)[^,，。\n]{0,8}?(?:审批|批准|同意|确认|审核)"
    rf"|{_HAN_WHO}(?:来|先|亲自)?(?:审批|批准|同意|确认|审核|审阅|复核|决定|拍板|点头|把关)|人工"
    r"(?:审批|审核|确认|复核)|(?:审批|审核|批准|同意)(?:后|之后|通过后|了再)|^"
    r"(?:审批|审核|批准|同意|确认)$"
)
_APPROVER = re.compile(
    r"\b(?:ask|have|let|by|from|of|approval from|wait for)\s+(?:(?:my|our|the|a)\s+)?"
    r"(?P<who>manager|boss|team lead|lead|supervisor|finance(?: team)?|legal(?: team)?|admin|owner"
    r"|director|ceo|cfo|accountant|colleague|editor|reviewer)",
    re.IGNORECASE,
)


def is_approval(plain: str) -> bool:
    """Whether a clause wants somebody's consent."""
    return bool(_APPROVAL.search(plain) or _HAN.search(plain))


def read_approval(plain: str, text: Text) -> Step | None:
    """`ask me for approval`, `my boss must approve`, 先问我."""
    if not is_approval(plain):
        return None
    emails = [part.value for part in text.literals(plain, "email")]
    title = text.literal(plain, "quote") or _title(plain)
    return Ask(text.restore(plain), title, approvers=emails)


def _title(plain: str) -> str:
    found = _APPROVER.search(plain)
    return found["who"].lower() if found else ""
