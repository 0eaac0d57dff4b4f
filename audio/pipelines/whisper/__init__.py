"""How Whisper's authors turn its probabilities into a transcript: its special tokens, rules for them, searches, and windows."""
