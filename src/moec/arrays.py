"""Types of arrays, and how docstrings give shapes.

`[a, b]` is an array with axes a and b; `[…, a]` has any axes before them, usually iterations evaluated at once, and broadcasts
over them as NumPy does. A function that says nothing of a shape works element by element and returns what its arguments broadcast to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Numbers of any type."""
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
