"""Tests: /acceptance"""
