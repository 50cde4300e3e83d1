"""An agent that asks each tool, and repeats the first word of its task."""

import enum


class AgentType(enum.Enum):
    ZERO_SHOT_REACT_DESCRIPTION = "zero-shot-react-description"


class _Agent:
    def __init__(self, tools):
        self.tools = tools

    def run(self, task):
        for tool in self.tools:
            for callback in tool.callbacks:
                callback.on_tool_start({}, task)
            answer = tool.func(task)
            for callback in tool.callbacks:
                callback.on_tool_end(answer)
        return task.split()[0]


def initialize_agent(tools, llm, **kwargs):
    return _Agent(tools)
