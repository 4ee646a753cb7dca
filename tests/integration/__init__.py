"""Tests: /integration"""
