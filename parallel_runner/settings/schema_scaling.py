"""The settings of scaling-strategy.yaml and optimization-config.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from parallel_runner.settings.kinds import Count, Days, Factor, Instances, Milliseconds, Seconds, Share
from parallel_runner.settings.schema import _Section

D = Meta


class PoolFactors(_Section, frozen=True):
    web_search: Annotated[Factor, D(description="For searches.")] = 1.5
    codebase: Annotated[Factor, D(description="For glob, grep and read together.")] = 1.3
    bash: Annotated[Factor, D(description="For commands.")] = 1.2


class PoolCaps(_Section, frozen=True):
    web_search: Annotated[Instances, D(description="For searches.")] = 16
    codebase: Annotated[Instances, D(description="For glob, grep and read together.")] = 32
    bash: Annotated[Instances, D(description="For commands.")] = 8


class Trigger(_Section, frozen=True):
    """One condition; each entry of a list sets just one."""

    throughput_below_target: Annotated[Share | None, D(description="Share of the target that is not reached.")] = (
        None
    )
    queue_length_above: Annotated[Count | None, D(description="Jobs that wait.")] = None
    latency_above_threshold: Annotated[Milliseconds | None, D(description="Wait of one job in twenty.")] = None
    critical_performance_degradation: Annotated[bool | None, D(description="Far below its own usual rate.")] = None
    resource_utilization_below: Annotated[Share | None, D(description="Guard: CPU and memory use below it.")] = None


class InitialDeployment(_Section, frozen=True):
    web_search_instances: Annotated[Instances, D(description="Ceiling at the start.")] = 8
    codebase_instances: Annotated[Instances, D(description="Ceiling at the start.")] = 16
    bash_instances: Annotated[Instances, D(description="Ceiling at the start.")] = 4
    evaluation_period: Annotated[Seconds, D(description="That a trigger must hold.")] = 30.0


class ModerateScaling(_Section, frozen=True):
    triggers: Annotated[tuple[Trigger, ...], D(description="Any of these starts the phase.")] = (
        Trigger(throughput_below_target=0.7),
        Trigger(queue_length_above=100),
    )
    scaling_factors: PoolFactors = PoolFactors()
    max_instances: PoolCaps = PoolCaps()


class AggressiveScaling(_Section, frozen=True):
    triggers: Annotated[tuple[Trigger, ...], D(description="Any of these starts the phase.")] = (
        Trigger(throughput_below_target=0.5),
        Trigger(latency_above_threshold=10_000.0),
    )
    scaling_factors: PoolFactors = PoolFactors(web_search=2.0, codebase=1.8, bash=1.6)
    max_instances: PoolCaps = PoolCaps(web_search=32, codebase=48, bash=16)


class MaximumScaling(_Section, frozen=True):
    triggers: Annotated[tuple[Trigger, ...], D(description="Any of these starts the phase; guards must hold.")] = (
        Trigger(critical_performance_degradation=True),
        Trigger(resource_utilization_below=0.6),
    )
    scaling_factors: PoolFactors = PoolFactors(web_search=3.0, codebase=2.5, bash=2.0)
    max_instances: PoolCaps = PoolCaps(web_search=64, codebase=96, bash=32)


class Phases(_Section, frozen=True):
    initial_deployment: InitialDeployment = InitialDeployment()
    moderate_scaling: ModerateScaling = ModerateScaling()
    aggressive_scaling: AggressiveScaling = AggressiveScaling()
    maximum_scaling: MaximumScaling = MaximumScaling()


class ProgressiveScaling(_Section, frozen=True):
    phases: Phases = Phases()


class CapacityForecasting(_Section, frozen=True):
    historical_analysis_window: Annotated[Days, D(description="Of history that is looked at.")] = 30.0
    trend_analysis: Annotated[bool, D(description="Look for a trend.")] = True
    seasonal_adjustment: Annotated[bool, D(description="Look for days and weeks.")] = True
    growth_rate_estimation: Annotated[bool, D(description="Estimate the growth.")] = True


class ResourceAllocation(_Section, frozen=True):
    cpu_allocation_strategy: Annotated[Literal["dynamic_weighted"], D(description="How CPU is shared.")] = (
        "dynamic_weighted"
    )
    memory_allocation_strategy: Annotated[Literal["adaptive_pool"], D(description="How memory is shared.")] = (
        "adaptive_pool"
    )
    io_allocation_strategy: Annotated[Literal["priority_based"], D(description="How the disk is shared.")] = (
        "priority_based"
    )
    network_allocation_strategy: Annotated[
        Literal["bandwidth_aware"], D(description="How the network is shared.")
    ] = "bandwidth_aware"


class OptimizationTargets(_Section, frozen=True):
    cost_efficiency: Annotated[Share, D(description="Weight of instance-seconds.")] = 0.3
    performance_optimization: Annotated[Share, D(description="Weight of waits and makespan.")] = 0.4
    resource_utilization: Annotated[Share, D(description="Weight of use.")] = 0.2
    scalability_potential: Annotated[Share, D(description="Weight of headroom.")] = 0.1


class ResourcePlanning(_Section, frozen=True):
    capacity_forecasting: CapacityForecasting = CapacityForecasting()
    resource_allocation: ResourceAllocation = ResourceAllocation()
    optimization_targets: OptimizationTargets = OptimizationTargets()


class ThroughputDegradation(_Section, frozen=True):
    threshold: Annotated[Share, D(description="Below the pool's own baseline.")] = 0.2
    action: Annotated[Literal["increase_parallelism"], D(description="What is done.")] = "increase_parallelism"


class ResourceSaturation(_Section, frozen=True):
    cpu_threshold: Annotated[Share, D(description="CPU use.")] = 0.9
    memory_threshold: Annotated[Share, D(description="Memory use.")] = 0.85
    action: Annotated[Literal["rebalance_load"], D(description="What is done.")] = "rebalance_load"


class ErrorSpike(_Section, frozen=True):
    error_rate_threshold: Annotated[Share, D(description="Failed executions.")] = 0.05
    action: Annotated[Literal["reduce_batch_size"], D(description="What is done.")] = "reduce_batch_size"


class QualityDegradation(_Section, frozen=True):
    quality_score_threshold: Annotated[Share, D(description="Quality of answers.")] = 0.8
    action: Annotated[Literal["increase_validation"], D(description="What is done.")] = "increase_validation"


class Triggers(_Section, frozen=True):
    throughput_degradation: ThroughputDegradation = ThroughputDegradation()
    resource_saturation: ResourceSaturation = ResourceSaturation()
    error_spike: ErrorSpike = ErrorSpike()
    quality_degradation: QualityDegradation = QualityDegradation()


class ParallelismScaling(_Section, frozen=True):
    min_instances: Annotated[Instances, D(description="Never fewer.")] = 8
    max_instances: Annotated[Instances, D(description="Never more.")] = 64
    scale_factor: Annotated[Factor, D(description="By which a pool grows.")] = 1.5
    cooldown: Annotated[Seconds, D(description="After a change.")] = 30.0


class LoadBalancing(_Section, frozen=True):
    algorithm: Annotated[Literal["weighted_round_robin"], D(description="How targets are chosen.")] = (
        "weighted_round_robin"
    )
    weight_factors: Annotated[
        tuple[Literal["cpu", "memory", "queue_length"], ...], D(description="What weighs.")
    ] = ("cpu", "memory", "queue_length")
    rebalance_interval: Annotated[Seconds, D(description="Between two looks.")] = 10.0


class BatchOptimization(_Section, frozen=True):
    min_batch_size: Annotated[Instances, D(description="Jobs in a frame, at least.")] = 4
    max_batch_size: Annotated[Instances, D(description="Jobs in a frame, at most.")] = 32
    optimization_window: Annotated[Seconds, D(description="That is looked at.")] = 300.0
    adaptation_rate: Annotated[Share, D(description="How quickly sizes follow.", extra={"learnable": True})] = 0.1


class Strategies(_Section, frozen=True):
    parallelism_scaling: ParallelismScaling = ParallelismScaling()
    load_balancing: LoadBalancing = LoadBalancing()
    batch_optimization: BatchOptimization = BatchOptimization()


class AdaptiveOptimization(_Section, frozen=True):
    triggers: Triggers = Triggers()
    strategies: Strategies = Strategies()
