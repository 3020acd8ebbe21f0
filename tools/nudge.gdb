# Shows what each CPU is doing: `cpus`. Threads are numbered from 1, CPUs from 0.

define cpus
  set $i = 0
  while $i < nr_cpus
    if cpus[$i]
      printf "CPU %u  apic %u  first in queue %p  calls run %lu  work busy %d\n", $i, \
        cpus[$i]->arch.apic_id, cpus[$i]->call_single_queue.first, \
        cpus[$i]->calls_run, cpus[$i]->work.busy
    end
    set $i = $i + 1
  end
  thread apply all -q backtrace 4
end
document cpus
Each CPU's queue and counters, then where each stands.
end
