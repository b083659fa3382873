"""The Laplacian of a graph as a sparse matrix, and its factorisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def laplacian(edges: Tensor, count: int) -> Any:
    """Return the sparse matrix (V, V) of Σ (x_i - x_j)² over edges (E, 2) between `count` vertices."""
    from scipy.sparse import coo_matrix, diags

    a, b = edges.cpu().numpy().T
    joined = coo_matrix((np.ones(len(a)), (a, b)), shape=(count, count))
    joined = (joined + joined.T).tocsr()
    return (diags(np.asarray(joined.sum(1))[:, 0]) - joined).tocsr()


def factor(graph: Any, diagonal: NDArray[np.float64]) -> Any:
    """Return SuperLU's factors of a Laplacian plus a positive diagonal (V,)."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import splu

    return splu(
        (graph + diags(diagonal)).tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},  # half the time: the matrix is symmetric and definite
    )
