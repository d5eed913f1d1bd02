// Bodies in 3D: a skinned mesh, bones, spheres; all in the camera's frame.
import {
  Bone, BufferAttribute, BufferGeometry, CylinderGeometry, DetachedBindMode, Group, IcosahedronGeometry,
  InstancedMesh, Matrix4, MeshBasicMaterial, MeshStandardMaterial, Quaternion, Skeleton, SkinnedMesh, Vector3,
} from "three";

const BONE = 0.011;
const JOINT = 0.019;
const UP = new Vector3(0, 1, 0);

/** A mesh that takes the pose of any body of the content. */
export class BodyMesh {
  constructor(content, { opacity = 1, order = 0 } = {}) {
    this.content = content;
    this.geometry = new BufferGeometry();
    this.geometry.setAttribute("position", new BufferAttribute(new Float32Array(3 * content.numVertices), 3));
    this.geometry.setAttribute("skinIndex", new BufferAttribute(content.arrays.skinJoints.data, 4));
    this.geometry.setAttribute("skinWeight", new BufferAttribute(content.arrays.skinWeights.data, 4, true));
    this.geometry.setIndex(new BufferAttribute(content.arrays.faces.data, 1));
    this.bones = content.parents.map(() => new Bone());
    const skeleton = new Skeleton(this.bones, this.bones.map(() => new Matrix4()));
    const clear = opacity < 1;
    this.material = new MeshStandardMaterial({
      roughness: 0.72, metalness: 0, transparent: clear, opacity, depthWrite: !clear,
    });
    this.group = new Group();
    const parts = [this.material];
    // A clear body first fills the depths, so that only its nearest surface is seen.
    if (clear) parts.unshift(new MeshBasicMaterial({ colorWrite: false, transparent: true }));
    parts.forEach((material, k) => {
      const mesh = new SkinnedMesh(this.geometry, material);
      mesh.bindMode = DetachedBindMode;
      mesh.bind(skeleton, new Matrix4());
      mesh.frustumCulled = false;
      mesh.renderOrder = order + k / 2;
      this.group.add(mesh);
    });
    this.shape = null;
  }

  show(body) {
    this.group.visible = Boolean(body);
    if (!body) return;
    if (!this.shape || body.shape.some((share, k) => share !== this.shape[k])) {
      this.shape = Float32Array.from(body.shape);
      this.content.shaped(body.shape, this.geometry.attributes.position.array);
      this.geometry.attributes.position.needsUpdate = true;
      this.geometry.computeVertexNormals();
      this.geometry.attributes.normal.needsUpdate = true;
    }
    const transforms = this.content.transforms(body);
    this.bones.forEach((bone, j) => bone.matrixWorld.fromArray(transforms, 16 * j));
  }
}

/** Bones and joints of a body. */
export class Sticks {
  constructor({ parents, scale }, order) {
    this.parents = parents;
    this.width = BONE * scale;
    this.material = new MeshBasicMaterial({ depthTest: false, transparent: true });
    const count = parents.length;
    this.bones = new InstancedMesh(new CylinderGeometry(1, 1, 1, 8, 1), this.material, count);
    this.dots = new InstancedMesh(new IcosahedronGeometry(JOINT * scale, 2), this.material, count);
    this.group = new Group();
    for (const mesh of [this.bones, this.dots]) {
      mesh.frustumCulled = false;
      mesh.renderOrder = order;
      this.group.add(mesh);
    }
  }

  show(body) {
    this.group.visible = Boolean(body);
    if (!body) return;
    const at = (j) => new Vector3().fromArray(body.joints, 3 * j);
    const matrix = new Matrix4();
    const turn = new Quaternion();
    this.parents.forEach((parent, j) => {
      this.dots.setMatrixAt(j, matrix.makeTranslation(...at(j)));
      const along = parent < 0 ? new Vector3() : at(j).sub(at(parent));
      const length = Math.max(along.length(), 1e-6);
      turn.setFromUnitVectors(UP, along.clone().divideScalar(length));
      const middle = at(j).addScaledVector(along, -0.5);
      const width = parent < 0 ? 1e-6 : this.width;
      this.bones.setMatrixAt(j, matrix.compose(middle, turn, new Vector3(width, length, width)));
    });
    this.bones.instanceMatrix.needsUpdate = this.dots.instanceMatrix.needsUpdate = true;
  }
}

/** A sphere about each joint, of a standard deviation. */
export class Spheres {
  constructor(count) {
    this.material = new MeshBasicMaterial({ transparent: true, opacity: 0.34, depthTest: false, depthWrite: false });
    this.mesh = new InstancedMesh(new IcosahedronGeometry(1, 3), this.material, count);
    this.mesh.frustumCulled = false;
    this.mesh.renderOrder = 30;
  }

  show(body, spread) {
    this.mesh.visible = Boolean(body && spread);
    if (!this.mesh.visible) return;
    const matrix = new Matrix4();
    spread.forEach((size, j) => {
      const radius = Number.isFinite(size) ? Math.max(size, 1e-6) : 1e-6;
      matrix.makeScale(radius, radius, radius).setPosition(...body.joints.subarray(3 * j, 3 * j + 3));
      this.mesh.setMatrixAt(j, matrix);
    });
    this.mesh.instanceMatrix.needsUpdate = true;
  }
}
