"""Embeddings of graphs, and the sparse products that they are made of."""

from tersevec._fastrp import FastRP
from tersevec._graph_products import gram, spmm, whiten

__all__ = ["FastRP", "gram", "spmm", "whiten"]
