from tersevec._kernels import (
    F32,
    FdeKernels,
    HammingKernels,
    MaxsimKernels,
    PqencodeKernels,
    PqscanKernels,
    SparseprojKernels,
    SymdistKernels,
)

fde: FdeKernels
hamming: HammingKernels
maxsim: MaxsimKernels
pqencode: PqencodeKernels
pqscan: PqscanKernels
sparseproj: SparseprojKernels
symdist: SymdistKernels

def first_beyond(x: F32, limit: float) -> int: ...
def isa_levels() -> list[str]: ...
def isa_runnable() -> list[str]: ...
def isa_active() -> str: ...
