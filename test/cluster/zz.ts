import {startControlPlane} from './control-plane.ts';
const t0=Date.now(); const T=(s:string)=>console.log(s, Date.now()-t0);
const p=await startControlPlane({audit:true}); T('started');
await p.apply(`{apiVersion: v1, kind: Namespace, metadata: {name: tenant}}`); T('ns')
await p.apply(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.test.example}
spec:
  group: test.example
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, properties: {size: {type: integer, minimum: 1}}}}
`); T('crd');
await p.kubectl(['wait','--for=condition=Established','crd/widgets.test.example']); T('est');
const w=`{apiVersion: test.example/v1, kind: Widget, metadata: {name: w, namespace: tenant}, size: 3}`;
console.log(await p.kubectl(['apply','-f','-','-v=6'],{input:w})); T('widget');
await p.stop();
