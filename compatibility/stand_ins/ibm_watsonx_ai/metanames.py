"""Names of parameters."""


class GenTextParamsMetaNames:
    MAX_NEW_TOKENS = "max_new_tokens"
