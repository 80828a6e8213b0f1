// The machine that QEMU emulates, as the arguments of its program. Pure: nothing is run here.

/** What a machine boots from: paths printed by `build-image.sh`. */
export interface Images {
  kernel: string;
  initramfs: string;
  /** Read-only disk that becomes `/usr` and `/etc`. */
  system: string;
  /** Read-only disk that becomes `/opt/bullpen`. */
  checkout: string;
  /** Program that prints the rate of this machine's time stamp counter. */
  tscKhz: string;
}

/** What differs between machines. */
export interface Kind {
  /** `v2` alone, as Debian 12 boots; or the controllers in `v1` hierarchies. */
  cgroups: 'v1' | 'v2';
  /** The rate of this machine's time stamp counter, which is the guest's too. */
  tscKhz: number;
}

export const MEMORY_MIB = 1024;
export const CPUS = 2;

/** QEMU's own confinement: it emulates programs that are meant to break out of a sandbox. */
const SANDBOX = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny';

/**
 * Arguments of `qemu-system-x86_64` for a small machine without network: its console goes to the file `console`, its agent speaks on
 * stdin and stdout.
 */
export function qemuArguments(images: Images, kind: Kind, console: string): string[] {
  return [
    ['-machine', 'microvm,acpi=on,rtc=on,pit=off,pic=off'],
    // Never KVM, although it may be there: the suite has to come to the same on every machine.
    ['-accel', 'tcg,thread=multi'],
    ['-cpu', 'max', '-smp', String(CPUS), '-m', String(MEMORY_MIB)],
    ['-nodefaults', '-no-user-config', '-display', 'none', '-monitor', 'none', '-no-reboot', '-sandbox', SANDBOX],
    ['-kernel', images.kernel, '-initrd', images.initramfs, '-append', kernelArguments(kind).join(' ')],
    ['-serial', `file:${console}`],
    ...[images.system, images.checkout].map(readOnlyDisk),
    ['-device', 'virtio-serial-device', '-chardev', 'stdio,id=agent,signal=off'],
    ['-device', 'virtserialport,chardev=agent,name=bullpen.agent'],
  ].flat();
}

/** The kernel is told every rate that it would measure: of the boots in which it measured them, one in three never ended. */
function kernelArguments({ cgroups, tscKhz }: Kind): string[] {
  const clocks = [`tsc_early_khz=${tscKhz}`, 'tsc=reliable', 'no_timer_check', `lpj=${tscKhz * 2}`];
  return ['console=ttyS0', 'quiet', 'panic=-1', 'reboot=t', ...clocks, `vm.cgroups=${cgroups}`];
}

function readOnlyDisk(path: string, index: number): string[] {
  const disk = `disk${index}`;
  return [
    ...['-drive', `id=${disk},file=${path},format=raw,if=none,readonly=on`],
    ...['-device', `virtio-blk-device,drive=${disk}`],
  ];
}
