"""The proxy: an OpenAI and Anthropic compatible server in front of the models of the settings.

Invariants: a call reaches a client only after it was parsed, validated and judged; an answer that can't be used is an
error in the client's own protocol, never text that looks like an answer; every upstream request is in the account.
"""
