import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Guard } from '../guard.ts';
import type { CommandOptions, CommandResult } from './command.ts';
import { containerdFiles, importImages, startContainerd } from './containerd.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { startKubeProxy } from './kube-proxy.ts';
import { type KubeletCluster, kubeletPort, startKubelet, writeKubeletFiles } from './kubelet.ts';
import { type Machine, type MachineParts, startMachine, writeMachineFiles } from './machine.ts';
import type { Network, Place } from './network.ts';

/** One node, as a test sees it. */
export interface ClusterNode {
  /** `node1`, `node2`, … */
  readonly name: string;
  /** Its address; this machine and all pods reach it. */
  readonly address: string;
  /** `https://ADDRESS:10250`; the certificate is of the cluster's authority. */
  readonly kubeletUrl: string;
  /** Where this machine sees the kubelet's /var/lib/kubelet/checkpoints. */
  readonly checkpointDirectory: string;
  /** Where this machine puts manifests of static pods. */
  readonly staticPodDirectory: string;
  /** Its whole root directory as this machine sees it, whatever a test mounts there included. */
  readonly root: string;
  /** For `nsenter --net=…`: a program of this machine then has the node's address. */
  readonly networkNamespace: string;
  readonly kubelet: Daemon;
  readonly containerd: Daemon;
  /** Runs a command in the node. A non-zero status is a result, not an error. */
  exec(command: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Makes the images of an archive (docker's or OCI's format), a file of this machine, known to containerd. */
  importImages(archive: string): Promise<void>;
}

/** A node that lacks only its cluster. */
export interface PreparedNode {
  readonly machine: Machine;
  readonly place: Place;
  readonly containerd: Daemon;
}

/** Starts a node up to its container runtime, with the images of `archive`. */
export async function prepareNode(
  guard: Guard,
  network: Network,
  place: Place,
  parts: MachineParts,
  archive: string,
): Promise<PreparedNode> {
  await writeMachineFiles(guard, place.name, containerdFiles(place));
  const machine = await startMachine(guard, place.name, parts);
  await network.attach(place, machine.pid);
  const containerd = await startDaemon(() => startContainerd(machine));
  await importInto(machine, archive);
  return { machine, place, containerd };
}

/** Starts the kubelet, which then announces the node. */
export async function joinCluster(
  { machine, place, containerd }: PreparedNode,
  cluster: KubeletCluster,
  { services }: { readonly services: boolean },
): Promise<ClusterNode> {
  await writeKubeletFiles(machine, place, cluster);
  if (services) await startKubeProxy(machine, cluster);
  const kubelet = await startDaemon(() => startKubelet(machine, place));
  return {
    name: place.name,
    address: place.address,
    kubeletUrl: `https://${place.address}:${kubeletPort}`,
    checkpointDirectory: join(machine.directory, 'kubelet', 'checkpoints'),
    staticPodDirectory: join(machine.directory, 'kubernetes', 'manifests'),
    root: machine.root,
    networkNamespace: `/proc/${machine.pid}/ns/net`,
    kubelet,
    containerd,
    exec: machine.exec,
    importImages: (file) => importInto(machine, file),
  };
}

async function importInto(machine: Machine, archive: string): Promise<void> {
  const path = '/root/images.tar';
  await copyFile(archive, join(machine.root, path));
  await importImages(machine, path);
}
