"""The operations that requests ask for, and how money and time work in them.

    customers, catalogue, checkout, subscriptions ...  one module for each group of operations
    billing, changes, renewal, cards                   how money and time work
    events      the event log
    lists       pages of objects, and expansion
"""
