# Shows what each CPU is doing: `cpus`. Threads are numbered from 1, CPUs from 0.

define cpus
  set $i = 0
  while $i < nr_cpus
    if cpus[$i]
      printf "CPU %u  apic %u  first in queue %p  calls run %lu  thread %u '%s'\n", $i, \
        cpus[$i]->arch.apic_id, cpus[$i]->call_single_queue.first, \
        cpus[$i]->calls_run, cpus[$i]->current->id, cpus[$i]->current->name
    end
    set $i = $i + 1
  end
  thread apply all -q backtrace 4
end
document cpus
Each CPU's queue, counters and thread, then where each stands.
end
