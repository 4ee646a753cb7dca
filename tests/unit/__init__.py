"""Tests: /unit"""
