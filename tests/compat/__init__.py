"""Tests: /compat"""
