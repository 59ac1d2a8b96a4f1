"""Users: accounts, and the tokens by which all services know who calls.

Passwords that are never cut, sessions of refresh tokens that are used once and tell when they are stolen, short-lived
access tokens that any service can verify by itself, administration.
"""
