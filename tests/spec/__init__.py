"""The judge: a second, stupid implementation that shares no code with the product and imports nothing of it."""
