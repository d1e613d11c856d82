import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FileName, type FileSystem, pathOf } from '../../gc/system/files.ts';
import { nodeFiles } from '../../gc/system/node-files.ts';
import { FakeFiles } from './fake-files.ts';

/** A directory and the means to put things into it, on the real file system or on the fake one. */
export interface World {
  readonly files: FileSystem;
  readonly directory: string;
  write(name: FileName, content: Buffer | string): void;
  mkdir(name: string): void;
  symlink(target: string, name: string): void;
  fifo(name: string): void;
  socket(name: string): void;
  remove(name: FileName): void;
  touch(name: string, modifiedMs: number): void;
  end(): void;
}

export function fakeWorld(): World & { readonly files: FakeFiles } {
  const files = new FakeFiles();
  files.mkdir('/node');
  files.mkdir('/node/checkpoints');
  const directory = '/node/checkpoints';
  const at = (name: FileName) => pathOf(directory, name);
  return {
    files,
    directory,
    write: (name, content) => files.write(at(name), content),
    mkdir: (name) => files.mkdir(at(name)),
    symlink: (target, name) => files.symlink(`${at(target)}`, at(name)),
    fifo: (name) => files.special(at(name), 'fifo'),
    socket: (name) => files.special(at(name), 'socket'),
    remove: (name) => files.remove(at(name)),
    touch: (name, modifiedMs) => files.touch(at(name), modifiedMs),
    end() {},
  };
}

/** @param on a directory of the file system that is meant; default: the machine's for such things. */
export function realWorld(on: string = tmpdir()): World {
  const directory = fs.mkdtempSync(join(on, 'checkpoint-warden-'));
  const at = (name: FileName) => pathOf(directory, name);
  const servers: { close(): void }[] = [];
  return {
    files: nodeFiles,
    directory,
    write: (name, content) => fs.writeFileSync(at(name), content),
    mkdir: (name) => fs.mkdirSync(at(name)),
    symlink: (target, name) => fs.symlinkSync(target, at(name)),
    fifo: (name) => void execFileSync('mkfifo', [join(directory, name)]),
    socket(name) {
      servers.push(createServer().listen(join(directory, name)));
    },
    remove: (name) => fs.rmSync(at(name), { recursive: true }),
    touch: (name, modifiedMs) => fs.utimesSync(at(name), modifiedMs / 1000, modifiedMs / 1000),
    end() {
      for (const server of servers) server.close();
      fs.rmSync(directory, { recursive: true });
    },
  };
}
