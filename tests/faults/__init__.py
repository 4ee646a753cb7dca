"""Tests: /faults"""
