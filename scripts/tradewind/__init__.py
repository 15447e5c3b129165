"""The platform of Tradewind on one machine: fetches, starts, checks and stops its real components.

Standard library only, so that it runs before anything has been fetched.
"""
