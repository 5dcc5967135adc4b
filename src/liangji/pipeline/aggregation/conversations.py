"""Instructions and preferences: the usual shapes of turns, questions and replies as messages, or as prompt and two replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liangji.pipeline.aggregation.canonical_json import canonical_json
from liangji.pipeline.aggregation.raw_fields import Payload, Unfit, as_plain, first_present, listed_names, type_name

_SYSTEM = ("system", "system_prompt", "系统提示")

_TURNS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "对话")

_QUESTION = ("instruction", "prompt", "question", "query", "ask", "problem", "指令", "问题", "提问", "用户输入")

_INPUT = ("input", "context", "输入", "上下文")

_ANSWER = (
    "output", "response", "answer", "completion", "reply", "target", "std_answer", "solution", "输出", "回答", "答案", "回复", "答复",
)  # fmt: skip

_CHOSEN = ("chosen", "response_chosen", "chosen_response", "preferred", "优选", "优选回答", "正例")

_REJECTED = ("rejected", "response_rejected", "rejected_response", "dispreferred", "劣选", "劣选回答", "反例")

_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "observation": "tool",
}


def as_turn(value: Any) -> dict[str, str]:
    """Read one turn of a conversation: OpenAI's role and content, or ShareGPT's from and value."""
    if not isinstance(value, dict):
        raise Unfit("bad_messages", f"a turn is {type_name(value)}, not an object", "write turns as {role, content}")
    role = value.get("role") or value.get("from") or value.get("speaker")
    content = next((value[name] for name in ("content", "value", "text") if value.get(name) is not None), None)
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "\n".join(part for part in parts if isinstance(part, str))
    if content is None and value.get("tool_calls"):
        content = canonical_json(value["tool_calls"])
    if not isinstance(role, str) or not isinstance(content, str):
        raise Unfit("bad_messages", "a turn lacks its role or its content", "write turns as {role, content}")
    return {"role": _ROLES.get(role, role), "content": content}


def as_turns(value: Any, name: str) -> list[dict[str, str]]:
    if not isinstance(value, list) or not value:
        raise Unfit("bad_messages", f"field '{name}' holds no turns", "write it as a list of {role, content}")
    return [as_turn(turn) for turn in value]


def _history(fields: Mapping[str, Any], used: set[str]) -> list[dict[str, str]]:
    turns = []
    for pair in fields.get("history") or []:
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair):
            turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
            used.add("history")
    return turns


def instruction_payload(fields: Mapping[str, Any]) -> Payload:
    used: set[str] = set()
    turns: list[dict[str, str]] = []
    system = first_present(fields, _SYSTEM)
    if system and isinstance(fields[system], str) and fields[system]:
        turns.append({"role": "system", "content": fields[system]})
        used.add(system)
    talk = first_present(fields, _TURNS)
    if talk:
        return [turns + as_turns(fields[talk], talk)], used | {talk}
    question = first_present(fields, _QUESTION)
    source: Mapping[str, Any] = fields
    instances = fields.get("instances")
    if question and isinstance(instances, list) and instances and isinstance(instances[0], dict):
        source = instances[0]
        used.add("instances")
    answer = first_present(source, tuple(name for name in _ANSWER if name != question))
    if question is None or answer is None:
        wanted = "an instruction" if question is None else "an answer"
        mend = "map them: `fields: {messages: …}`, or name them instruction, input, output"
        raise Unfit("no_messages", f"has no field for {wanted}; fields: {listed_names(fields)}", mend)
    ask = as_plain(fields[question], question)
    more = first_present(source, _INPUT)
    if more and more != question and isinstance(source[more], str):
        if source is fields:
            used.add(more)
        ask = f"{ask}\n{source[more]}" if source[more] else ask
    used |= {question} | ({answer} if source is fields else set())
    turns += _history(fields, used)
    turns += [{"role": "user", "content": ask}, {"role": "assistant", "content": as_plain(source[answer], answer)}]
    return [turns], used


def _reply(value: Any, name: str) -> str:
    """Take the reply out of a string, a turn, or a whole conversation that ends with it."""
    if isinstance(value, dict):
        return as_turn(value)["content"]
    if isinstance(value, list) and value and isinstance(value[-1], dict):
        return as_turn(value[-1])["content"]
    return as_plain(value, name)


def _as_prompt(turns: list[dict[str, str]]) -> str:
    """Write a conversation as one prompt: a lone question as it is, else one turn a line with its role before it."""
    if len(turns) == 1:
        return turns[0]["content"]
    return "\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)


def preference_payload(fields: Mapping[str, Any]) -> Payload:
    chosen, rejected = first_present(fields, _CHOSEN), first_present(fields, _REJECTED)
    if chosen is None or rejected is None:
        lacks = "chosen" if chosen is None else "rejected"
        mend = f"map it: `fields: {{{lacks}: …}}`"
        raise Unfit("no_preference", f"has no field for the {lacks} reply; fields: {listed_names(fields)}", mend)
    used = {chosen, rejected}
    turns: list[dict[str, str]] = []
    system = first_present(fields, _SYSTEM)
    if system and isinstance(fields[system], str) and fields[system]:
        turns.append({"role": "system", "content": fields[system]})
        used.add(system)
    turns += _history(fields, used)
    talk, question = first_present(fields, _TURNS), first_present(fields, _QUESTION)
    if talk:
        turns += as_turns(fields[talk], talk)
        used.add(talk)
    elif question:
        value = fields[question]
        turns += as_turns(value, question) if isinstance(value, list) else [{"role": "user", "content": as_plain(value, question)}]
        used.add(question)
    elif isinstance(fields[chosen], list) and len(fields[chosen]) > 1:
        turns += as_turns(fields[chosen][:-1], chosen)
    if not turns:
        raise Unfit("no_prompt", f"has no field for the prompt; fields: {listed_names(fields)}", "map it: `fields: {prompt: …}`")
    return [_as_prompt(turns), _reply(fields[chosen], chosen), _reply(fields[rejected], rejected)], used
