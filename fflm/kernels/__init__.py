"""Compiled loops over arrays, without checks, allocation, exceptions or options.

Each docstring gives shapes and, for each array, its role: *read*, *written* or *accumulated*.
"""
