"""Every setting: its name, kind, default and meaning. Files, reference and checks are made from this."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from parallel_runner.settings.kinds import (
    Bytes,
    Count,
    Days,
    Factor,
    Instances,
    Milliseconds,
    Rate,
    Seconds,
    Share,
)

D = Meta


class _Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings."""


class GlobalSettings(_Section, frozen=True):
    max_total_instances: Annotated[
        Instances, D(description="Jobs at once, of all runners of this home together.")
    ] = 100
    instance_spawn_rate: Annotated[Rate, D(description="Instances started per second, at most.")] = 10.0
    resource_safety_margin: Annotated[Share, D(description="Share of max_total_instances that stays unused.")] = 0.1


class WebSearch(_Section, frozen=True):
    max_instances: Annotated[Instances, D(description="Searches at once.")] = 32
    batch_size: Annotated[Count, D(description="Queries handed to an instance at once.")] = 8
    query_optimization: Annotated[bool, D(description="Normalise queries and drop duplicates.")] = True
    result_caching: Annotated[bool, D(description="Keep answers for queries that come again.")] = True


class CodebaseExploration(_Section, frozen=True):
    glob_instances: Annotated[Instances, D(description="File searches at once.")] = 16
    grep_instances: Annotated[Instances, D(description="Text searches at once.")] = 24
    read_instances: Annotated[Instances, D(description="File reads at once.")] = 8
    adaptive_depth: Annotated[bool, D(description="Go on as long as something new is found.")] = True


class BashExecution(_Section, frozen=True):
    max_instances: Annotated[Instances, D(description="Commands at once.")] = 16
    security_validation: Annotated[bool, D(description="Judge commands before they run.")] = True
    resource_monitoring: Annotated[bool, D(description="Record CPU and memory of commands.")] = True
    timeout_management: Annotated[bool, D(description="Learn time-outs from history.")] = True


class NestedAgents(_Section, frozen=True):
    max_hierarchy_depth: Annotated[Count, D(description="Levels of agents that start agents.")] = 3
    max_agents_per_level: Annotated[Instances, D(description="Agents at once on each level.")] = 32
    task_distribution_strategy: Annotated[
        Literal["load_balanced", "round_robin"], D(description="Which agent gets the next task.")
    ] = "load_balanced"


class ToolSpecific(_Section, frozen=True):
    web_search: WebSearch = WebSearch()
    codebase_exploration: CodebaseExploration = CodebaseExploration()
    bash_execution: BashExecution = BashExecution()
    nested_agents: NestedAgents = NestedAgents()


class Parallelization(_Section, frozen=True):
    global_settings: GlobalSettings = GlobalSettings()
    tool_specific: ToolSpecific = ToolSpecific()


class Communication(_Section, frozen=True):
    message_bus_size: Annotated[Count, D(description="Messages kept for slow readers.")] = 10_000
    event_queue_size: Annotated[Count, D(description="Events kept for slow readers.")] = 50_000
    heartbeat_interval: Annotated[Seconds, D(description="Between two signs of life of a worker.")] = 5.0


class Synchronization(_Section, frozen=True):
    barrier_timeout: Annotated[Seconds, D(description="Without progress at a barrier, the failure policy.")] = 30.0
    phase_transition_delay: Annotated[Seconds, D(description="Between two phases.")] = 2.0
    result_aggregation_window: Annotated[Seconds, D(description="In which results are brought together.")] = 10.0


class CoordinationSwitches(_Section, frozen=True):
    performance_monitoring: Annotated[bool, D(description="Record metrics.")] = True
    adaptive_scaling: Annotated[bool, D(description="Let rules change the sizes of pools.")] = True
    load_balancing: Annotated[bool, D(description="Share work by load.")] = True
    quality_assurance: Annotated[bool, D(description="Record the quality of answers.")] = True


class Coordination(_Section, frozen=True):
    communication: Communication = Communication()
    synchronization: Synchronization = Synchronization()
    optimization: CoordinationSwitches = CoordinationSwitches()


class Thresholds(_Section, frozen=True):
    min_throughput: Annotated[
        Rate, D(description="Operations per second that are expected.", extra={"learnable": True})
    ] = 100.0
    max_latency: Annotated[Milliseconds, D(description="Wait that is accepted.", extra={"learnable": True})] = (
        5000.0
    )
    max_cpu_usage: Annotated[Share, D(description="Above it the machine is saturated.")] = 0.9
    max_memory_usage: Annotated[Share, D(description="Above it the machine is saturated.")] = 0.85
    max_error_rate: Annotated[Share, D(description="Failed executions that are accepted.")] = 0.05


class ThroughputOptimization(_Section, frozen=True):
    scaling_factor: Annotated[Factor, D(description="By which a pool grows.")] = 1.5
    max_scale_events: Annotated[Count, D(description="In five minutes, for each pool.")] = 3
    cooldown_period: Annotated[Seconds, D(description="After a change of size.")] = 30.0


class LatencyOptimization(_Section, frozen=True):
    batch_size_reduction: Annotated[Share, D(description="By which batches shrink.", extra={"learnable": True})] = (
        0.8
    )
    priority_queue_enabled: Annotated[bool, D(description="Urgent jobs first.")] = True
    result_streaming: Annotated[bool, D(description="Results as they come.")] = True


class ResourceOptimization(_Section, frozen=True):
    load_balancing_interval: Annotated[Seconds, D(description="Between two looks at the loads.")] = 10.0
    resource_reallocation: Annotated[bool, D(description="Move instances between pools.")] = True
    garbage_collection_tuning: Annotated[bool, D(description="Freeze what is loaded before workers are made.")] = (
        True
    )


class OptimizationStrategies(_Section, frozen=True):
    throughput_optimization: ThroughputOptimization = ThroughputOptimization()
    latency_optimization: LatencyOptimization = LatencyOptimization()
    resource_optimization: ResourceOptimization = ResourceOptimization()


class AlertThresholds(_Section, frozen=True):
    critical_cpu: Annotated[Share, D(description="CPU use that is alarming.")] = 0.95
    critical_memory: Annotated[Share, D(description="Memory use that is alarming.")] = 0.9
    critical_error_rate: Annotated[Share, D(description="Failed executions that are alarming.")] = 0.1


class Monitoring(_Section, frozen=True):
    metrics_collection_interval: Annotated[Seconds, D(description="Between two samples.")] = 1.0
    performance_report_interval: Annotated[Seconds, D(description="Between two reports.")] = 60.0
    alert_thresholds: AlertThresholds = AlertThresholds()


class PerformanceTuning(_Section, frozen=True):
    thresholds: Thresholds = Thresholds()
    optimization_strategies: OptimizationStrategies = OptimizationStrategies()
    monitoring: Monitoring = Monitoring()


class Journal(_Section, frozen=True):
    durability: Annotated[
        Literal["process", "power"],
        D(description="process: survives kill -9. power: survives a power cut as well, and waits for the disk."),
    ] = "process"
    history_days: Annotated[Days, D(description="How long ended batches are kept by `prune`.")] = 30.0


class Execution(_Section, frozen=True):
    leftovers: Annotated[
        Literal["term", "keep", "kill"], D(description="What happens to processes that outlive a job.")
    ] = "term"
    grace: Annotated[Seconds, D(description="From TERM to KILL.")] = 2.0
    max_output: Annotated[Bytes, D(description="Kept of each stream of a job: head and tail.")] = 10_485_760
    lost_retries: Annotated[Count, D(description="Attempts after a lost worker; then the job is quarantined.")] = 2


class ToolShares(_Section, frozen=True):
    cpu: Annotated[Share, D(description="Share of CPU under contention.")] = 0.1
    memory: Annotated[Share, D(description="Share of memory under contention.")] = 0.1
    io: Annotated[Share, D(description="Share of disk traffic under contention.")] = 0.05
    network: Annotated[Share, D(description="Share of network traffic under contention.")] = 0.15
    storage: Annotated[Share, D(description="Share of storage.")] = 0.05


class Shares(_Section, frozen=True):
    web_search: ToolShares = ToolShares(cpu=0.2, memory=0.25, io=0.1, network=0.6, storage=0.15)
    codebase: ToolShares = ToolShares(cpu=0.4, memory=0.5, io=0.7, network=0.05, storage=0.6)
    bash: ToolShares = ToolShares(cpu=0.3, memory=0.15, io=0.15, network=0.2, storage=0.2)
    coordination: ToolShares = ToolShares()


class Floors(_Section, frozen=True):
    min_free_disk: Annotated[
        Bytes,
        D(
            description="What stays free where the state is kept, or 5 % of that file system if this is less: "
            "under it nothing new starts and outputs are kept no longer."
        ),
    ] = 1024 * 1024 * 1024


class ResourceLimits(_Section, frozen=True):
    journal: Journal = Journal()
    floors: Floors = Floors()
    execution: Execution = Execution()
    shares: Shares = Shares()


class FailureDetection(_Section, frozen=True):
    heartbeat_timeout: Annotated[Seconds, D(description="Of silence after which a worker is taken for hung.")] = (
        15.0
    )


class Recovery(_Section, frozen=True):
    on_supervisor_loss: Annotated[
        Literal["finish", "kill"], D(description="What a worker does with its job when its runner is gone.")
    ] = "finish"


class CoordinationRules(_Section, frozen=True):
    failure_detection: FailureDetection = FailureDetection()
    recovery: Recovery = Recovery()


class CommandPolicy(_Section, frozen=True):
    profile: Annotated[Literal["open", "guarded", "strict"], D(description="How strictly commands are judged.")] = (
        "guarded"
    )
    confine: Annotated[
        Literal["off", "auto", "landlock", "bwrap", "require"], D(description="How commands are confined.")
    ] = "off"
