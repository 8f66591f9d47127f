"""One module a promise; each has RULES, functions from facts to what is wrong and where."""
