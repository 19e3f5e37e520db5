"""Registro: a self-hosted support chat whose record can be trusted."""

__version__ = "0.1.0"
