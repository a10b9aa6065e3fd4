"""Compiled loops: arrays in, arrays out. No checks, no allocation, no exceptions, no options.

Each docstring gives shapes and, for each array, its role: *read*, *written* or *accumulated*.
"""
