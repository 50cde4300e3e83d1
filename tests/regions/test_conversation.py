"""Messages of a `<Chat>`."""

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions import attach, chat_message, chat_messages, message_of
from label_studio_ml.regions.conversation import ROLES, ChatMessage

CONTROLS = Controls(
    """<View><Chat name="chat" value="$chat"/><Text name="t" value="$t"/><TextArea name="note" toName="t"/>
    <Choices name="quality" toName="chat" perRegion="true"><Choice value="Good"/></Choices></View>"""
)
CHAT = CONTROLS["chat"]
NOON = datetime.datetime(2024, 2, 28, 12, tzinfo=datetime.UTC)

moments = st.datetimes(
    datetime.datetime(1970, 1, 2), datetime.datetime(2999, 1, 1), timezones=st.just(datetime.UTC)
)


@given(st.sampled_from(ROLES), st.text(), moments)
def test_messages_come_back(role: str, content: str, moment: datetime.datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert message_of(chat_message(CHAT, role, content, created_at=moment)) == ChatMessage(
        role, content, moment
    )


def test_a_conversation_keeps_its_order() -> None:
    messages = [{"role": "user", "content": "Hi", "name": "Ann"}, {"role": "assistant", "content": "Hello"}]
    first, second = chat_messages(CHAT, messages, created_at=NOON)
    assert first["value"] == {"chatmessage": {"role": "user", "content": "Hi", "createdAt": 1709121600000}}
    assert second["value"]["chatmessage"]["createdAt"] == 1709121600001
    assert (first["type"], first["from_name"], first["to_name"]) == ("chatmessage", "chat", "chat")
    assert len({message_of(region).created_at for region in chat_messages(CHAT, messages * 9)}) == 18


def test_what_is_said_of_a_message() -> None:
    message = chat_message(CHAT, "assistant", "Hello")
    part = attach(message, CONTROLS["quality"], "Good")
    assert part is not None
    assert (part["id"], part["type"], part["value"]["choices"]) == (message["id"], "choices", ["Good"])


def test_contents_in_parts() -> None:
    parts = [{"type": "text", "text": "Good "}, {"type": "text", "text": "day"}]
    assert message_of(chat_message(CHAT, "user", parts)).content == "Good day"


@pytest.mark.parametrize("content", [None, 3, [], [{"type": "image_url"}], {"text": "x"}])
def test_contents_without_a_text(content: Any) -> None:
    with pytest.raises(TypeError, match="content must be a text"):
        chat_message(CHAT, "user", content)


def test_what_is_no_message() -> None:
    with pytest.raises(ValueError, match="role must be one of user, assistant, system, tool, developer"):
        chat_message(CHAT, "bot", "Hi")
    with pytest.raises(ValueError, match="created_at must have a time zone"):
        chat_message(CHAT, "user", "Hi", created_at=datetime.datetime(2024, 1, 1))
    with pytest.raises(ValueError, match="A message must have role and content"):
        chat_messages(CHAT, [{"role": "user"}])
    with pytest.raises(LabelConfigError, match="holds no chat message"):
        chat_message(CONTROLS["note"], "user", "Hi")
    with pytest.raises(ValueError, match="The region is no chat message: its value has text"):
        message_of({"value": {"text": ["a"]}})
    assert message_of({"value": {"chatmessage": {"role": "user", "content": "x"}}}).created_at is None
