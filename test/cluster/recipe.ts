import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What to build out of one Go module. */
export interface Recipe {
  /** Directory with go.mod and go.sum. */
  readonly module: string;
  /** Go package of each program, by the program's name. */
  readonly packages: Readonly<Record<string, string>>;
  /** Folders of modules to put beside the programs, `MODULE//FOLDER` each, by the name they get; default none. */
  readonly folders?: Readonly<Record<string, string>>;
}

/** The smallest real control plane: storage, API server, client. */
export const controlPlaneRecipe: Recipe = {
  module: join(import.meta.dirname, 'go'),
  packages: {
    etcd: 'go.etcd.io/etcd/server/v3',
    'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
    kubectl: 'k8s.io/kubernetes/cmd/kubectl',
  },
};

/** What two or more nodes need besides. A recipe of its own: who only wants the API server never waits for it. */
export const nodeRecipe: Recipe = {
  module: controlPlaneRecipe.module,
  packages: {
    'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
    'kube-proxy': 'k8s.io/kubernetes/cmd/kube-proxy',
    'kube-scheduler': 'k8s.io/kubernetes/cmd/kube-scheduler',
    kubelet: 'k8s.io/kubernetes/cmd/kubelet',
  },
};

/** What issues certificates and puts authorities into webhook configurations; its definitions are Helm templates. */
export const certManagerRecipe: Recipe = {
  module: join(import.meta.dirname, 'cert-manager/go'),
  packages: {
    'cert-manager-cainjector': 'github.com/cert-manager/cert-manager/cmd/cainjector',
    'cert-manager-controller': 'github.com/cert-manager/cert-manager/cmd/controller',
  },
  folders: { 'cert-manager-crds': 'github.com/cert-manager/cert-manager//deploy/crds' },
};

/** Arguments of `go build` for every program of the recipe. */
export async function buildFlags(recipe: Recipe): Promise<string[]> {
  const requirements = await readFile(join(recipe.module, 'go.mod'), 'utf8');
  return ['-trimpath', '-buildvcs=false', '-ldflags', ['-s', '-w', ...versionFlags(requirements)].join(' ')];
}

/** Changes whenever the programs would: names the recipe's directory in the cache. */
export async function recipeHash(recipe: Recipe): Promise<string> {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) hash.update(await readFile(join(recipe.module, file)));
  const flags = await buildFlags(recipe);
  const { packages, folders } = recipe;
  hash.update(
    JSON.stringify([packages, flags, process.platform, process.arch, ...(folders ? [folders] : [])]),
  );
  return hash.digest('hex').slice(0, 16);
}

// Without these Kubernetes calls itself v0.0.0, and clients that look at its version balk.
function versionFlags(requirements: string): string[] {
  const found = /^\s*k8s\.io\/kubernetes (?<git>v(?<major>\d+)\.(?<minor>\d+)\.\S+)/m.exec(
    requirements,
  )?.groups;
  if (found === undefined) return [];
  const variables = { gitVersion: found.git, gitMajor: found.major, gitMinor: found.minor };
  return Object.entries(variables).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  );
}
