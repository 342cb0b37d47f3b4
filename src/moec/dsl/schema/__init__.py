"""The typed specification. This package is all that the rest of moec imports of `dsl` besides diagnostics."""

from moec.dsl.schema.astra_sim import AstraOptions, AstraSystem
from moec.dsl.schema.costs import Costs, ProfileCosts, RooflineCosts, SiliconCosts, TableCosts
from moec.dsl.schema.experiment import Experiment, FastOptions, Hierarchical
from moec.dsl.schema.hardware import (
    Cluster,
    Compute,
    Device,
    Fabric,
    FatTree,
    Host,
    Link,
    Mesh,
    Network,
    Node,
    RailOptimized,
)
from moec.dsl.schema.model import DTYPE_BYTES, Dtype, Ffn, Gqa, Mla, Model, ModelDtypes, Moe
from moec.dsl.schema.names import surface_name
from moec.dsl.schema.parallelism import (
    AttentionPlan,
    Eplb,
    Exchange,
    ExpertPlan,
    Explicit,
    Linear,
    Lpt,
    Parallelism,
    Placement,
    RoundRobin,
)
from moec.dsl.schema.routing import Dirichlet, PowerLaw, Routing, RoutingTrace, Uniform, Zipf
from moec.dsl.schema.serving import (
    KvCache,
    LeastLoaded,
    Overhead,
    RoundRobinRouter,
    Router,
    Scheduler,
    Serving,
)
from moec.dsl.schema.workload import (
    Arrivals,
    Burst,
    ClosedLoop,
    Constant,
    GammaArrivals,
    Goal,
    Length,
    Lengths,
    LognormalLength,
    Poisson,
    Recorded,
    Requests,
    TraceRequests,
    UniformLength,
    Workload,
)

__all__ = [
    "DTYPE_BYTES", "Arrivals", "AstraOptions", "AstraSystem", "AttentionPlan", "Burst", "ClosedLoop", "Cluster", "Compute",
    "Constant", "Costs", "Device", "Dirichlet", "Dtype", "Eplb", "Exchange", "Experiment", "ExpertPlan", "Explicit", "Fabric",
    "FastOptions", "FatTree", "Ffn", "GammaArrivals", "Goal", "Gqa", "Hierarchical", "Host", "KvCache", "LeastLoaded",
    "Length", "Lengths", "Linear", "Link", "LognormalLength", "Lpt", "Mesh", "Mla", "Model", "ModelDtypes", "Moe", "Network",
    "Node", "Overhead", "Parallelism", "Placement", "Poisson", "PowerLaw", "ProfileCosts", "RailOptimized", "Recorded",
    "Requests", "RooflineCosts", "RoundRobin", "RoundRobinRouter", "Router", "Routing", "RoutingTrace", "Scheduler",
    "Serving", "SiliconCosts", "TableCosts", "TraceRequests", "Uniform", "UniformLength",
    "Workload", "Zipf", "surface_name",
]  # fmt: skip
