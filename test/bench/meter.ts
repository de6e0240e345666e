// Owns the meter inside a measured process: preloaded with --import, it answers the runner's question for the CPU used so
// far. It keeps nothing alive, and ends the process when the runner is gone.
process.on('message', (message) => {
  if (message !== 'usage') return;
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMs: (user + system) / 1000 });
});
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
