"""Words, late: findings and verdicts in, text or bytes out.

One module a format. Nothing here decides anything; if a sentence needs a fact that no value carries, the value is
what has to change. Output depends on its arguments alone, so that equal input gives equal bytes.
"""
