"""Under which terms things stand: licence expressions, what they allow, their acceptance, policies, bills of materials."""
