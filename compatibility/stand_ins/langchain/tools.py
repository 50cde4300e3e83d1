"""Tools of agents."""


class Tool:
    def __init__(self, name, description, func, callbacks=()):
        self.name, self.description, self.func, self.callbacks = name, description, func, callbacks
