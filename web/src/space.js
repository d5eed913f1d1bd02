// The 3D view: bodies, camera, rays; drawn when something changes.
import {
  AmbientLight, BufferAttribute, BufferGeometry, Color, DirectionalLight, DoubleSide, GridHelper, Group,
  HemisphereLight, IcosahedronGeometry, LineBasicMaterial, LineSegments, Mesh, MeshBasicMaterial, PerspectiveCamera, Scene, Spherical,
  Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { BodyMesh, Spheres, Sticks } from "./meshes.js";

const NEAR = 32; // field of view in degrees, but through the camera
const OTHERS = 6;
const PIECES = 16;
const BUTTONS = 40; // height in pixels of those at the lower edge, above which the middle of the view is

export class Space {
  constructor(canvas, content) {
    this.canvas = canvas;
    this.content = content;
    this.renderer = new WebGLRenderer({ canvas, antialias: true, preserveDrawingBuffer: true });
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.scene = new Scene();
    this.scene.background = new Color();
    this.camera = new PerspectiveCamera(NEAR, 1, 0.05, 2000);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.addEventListener("change", () => this.draw());
    // The wheel scrolls the page until the view is chosen.
    this.controls.enableZoom = false;
    canvas.addEventListener("pointerdown", () => canvas.focus({ preventScroll: true }));
    canvas.addEventListener("focus", () => (this.controls.enableZoom = true));
    canvas.addEventListener("blur", () => (this.controls.enableZoom = false));
    this.world = new Group();
    this.world.rotation.x = Math.PI; // from the camera's axes, y down and z forwards
    this.scene.add(this.world);
    this.#addLights();
    this.#addBodies();
    this.#addLines();
    new ResizeObserver(() => this.#resize()).observe(canvas.parentElement);
    this.#resize();
  }

  #addLights() {
    this.sky = new HemisphereLight(0xffffff, 0x8d8a86, 1.5);
    const key = new DirectionalLight(0xffffff, 1.9);
    key.position.set(-1.2, 1.6, 2);
    this.camera.add(key, key.target);
    key.target.position.set(0, 0, -1);
    this.scene.add(this.sky, new AmbientLight(0xffffff, 0.25), this.camera);
  }

  #addBodies() {
    const { content } = this;
    const opacity = { before: 0.62, after: 1, truth: 0.62 };
    this.meshes = {};
    this.sticks = {};
    content.facts.stages.forEach((name, k) => {
      this.meshes[name] = new BodyMesh(content, { opacity: opacity[name], order: 4 * k });
      this.sticks[name] = new Sticks(content, 20 + k);
      this.world.add(this.meshes[name].group, this.sticks[name].group);
    });
    this.ghosts = [];
    for (let k = 0; k < content.facts.ghosts; k++) {
      const ghost = new BodyMesh(content, { opacity: 0.3, order: 14 - k });
      this.ghosts.push(ghost);
      this.world.add(ghost.group);
    }
    this.others = [];
    this.spheres = new Spheres(content.joints);
    this.world.add(this.spheres.mesh);
  }

  #addLines() {
    const lines = (opacity) =>
      new LineSegments(new BufferGeometry(), new LineBasicMaterial({ transparent: true, opacity }));
    this.frustum = lines(0.55);
    this.rays = lines(0.4);
    this.plane = new Mesh(
      new BufferGeometry(),
      new MeshBasicMaterial({ transparent: true, opacity: 0.06, side: DoubleSide, depthWrite: false }),
    );
    for (const one of [this.frustum, this.rays, this.plane]) {
      one.frustumCulled = false;
      one.renderOrder = 18;
      this.world.add(one);
    }
    const ball = new MeshBasicMaterial({ depthTest: false, transparent: true, opacity: 0.9 });
    this.ball = new Mesh(new IcosahedronGeometry(0.04 * this.content.scale, 3), ball);
    this.ball.renderOrder = 40;
    this.ball.visible = false;
    this.world.add(this.ball);
    this.cell = this.content.scale > 0.5 ? 0.5 : 0.05;
    this.grid = new GridHelper();
  }

  /** Take the page's colours, light or dark. */
  paint(colours) {
    this.scene.background.set(colours.space);
    for (const name of this.content.facts.stages) {
      this.meshes[name].material.color.set(colours[name]).offsetHSL(0, 0, 0.06);
      this.sticks[name].material.color.set(colours[name]);
    }
    for (const ghost of this.ghosts) ghost.material.color.set(colours.ghost);
    this.other = new Color(colours.faint);
    for (const one of this.others) one.material.color.copy(this.other);
    this.spheres.material.color.set(colours.ghost);
    for (const one of [this.frustum, this.rays, this.plane, this.ball]) one.material.color.set(colours.ink);
    this.grid.removeFromParent();
    this.grid.dispose();
    const grid = new GridHelper(12 * this.cell, 12, colours.grid, colours.grid);
    grid.position.copy(this.grid.position);
    this.grid = grid;
    this.world.add(grid);
    this.draw();
  }

  /** Show a row: which stages and layers, and who else is there. */
  show(row, shown, floor, others) {
    const { content } = this;
    this.row = row;
    this.ball.visible = false;
    for (const name of content.facts.stages) {
      // A refused body is its estimate: two meshes in one place would flicker.
      const twice = name === "after" && shown.before && content.facts.stages.includes("before") && !content.rows.fitted[row];
      const body = shown[name] && !twice ? content.shownBody(name, row, shown.together) : null;
      this.meshes[name].show(shown.mesh ? body : null);
      this.sticks[name].show(shown.bones ? body : null);
    }
    const chances = content.row("probability", row);
    this.ghosts.forEach((ghost, k) => {
      const known = shown.ghosts && chances[k] > 0;
      ghost.show(known ? content.shownBody(`ghost${k}`, row, shown.together) : null);
      ghost.material.opacity = 0.22 + 0.5 * chances[k];
    });
    this.#showOthers(shown.others ? others.slice(0, OTHERS) : []);
    this.spheres.show(shown.spread ? content.body("after", row) : null, content.row("spread", row));
    const body = content.body("after", row) ?? content.body("before", row);
    this.#follow(body);
    this.#showCamera(row, body, shown);
    // A cell at a time, so that its lines stand still in the scene.
    if (body) this.grid.position.set(...[0, 1, 2].map((a) => this.cell * Math.round(body.root[a] / this.cell)));
    this.grid.position.y = floor;
    this.draw();
  }

  #showOthers(rows) {
    while (this.others.length < rows.length) {
      const one = new BodyMesh(this.content, { opacity: 0.35, order: 16 });
      one.material.color.copy(this.other);
      this.others.push(one);
      this.world.add(one.group);
    }
    this.others.forEach((one, k) => one.show(k < rows.length ? this.content.body("after", rows[k]) : null));
  }

  /** Move with the body: the view keeps its distance. */
  #follow(body) {
    if (!body) return;
    const person = this.content.rows.person[this.row];
    if (person !== this.person || !this.content.facts.fps) this.#measure(body);
    this.person = person;
    const [x, y, z] = [0, 1, 2].map((a) => body.root[a] + this.middle[a]);
    const target = new Vector3(x, -y, -z);
    const step = target.clone().sub(this.controls.target);
    this.controls.target.copy(target);
    if (!this.placed) {
      this.placed = true;
      this.look("front");
    } else if (!this.fixed) {
      this.camera.position.add(step);
    }
    if (this.fixed) this.look("camera");
    this.controls.update();
  }

  /** Middle of a body, of a video in all frames of its person, about the root, and how far it reaches from there. */
  #measure(body) {
    const { rows, facts, joints, scale } = this.content;
    const same = facts.fps ? rows.person.flatMap((one, k) => (one === rows.person[this.row] ? [k] : [])) : [];
    const bodies = facts.fps ? same.map((row) => this.content.body("after", row)).filter(Boolean) : [body];
    const ends = [0, 1, 2].map(() => [Infinity, -Infinity]);
    for (const one of bodies.length ? bodies : [body]) {
      for (let j = 0; j < joints; j++) {
        ends.forEach((end, a) => {
          const place = one.joints[3 * j + a] - one.root[a];
          [end[0], end[1]] = [Math.min(end[0], place), Math.max(end[1], place)];
        });
      }
    }
    this.middle = ends.map(([low, high]) => (low + high) / 2);
    const reach = Math.max(0.02, ...ends.map(([low, high]) => (high - low) / 2));
    this.extent = reach + 0.18 * scale; // joints end before hands, feet and the head do
  }

  /** Look from the front, the side, the top, or from where the camera is. */
  look(from) {
    const { target } = this.controls;
    this.fixed = from === "camera";
    const narrow = Math.max(1, 1 / this.camera.aspect);
    if (this.fixed) {
      this.camera.position.set(0, 0, 0);
      const distance = Math.max(target.length(), 0.5);
      this.camera.fov = (360 / Math.PI) * Math.atan((1.2 * narrow * this.extent) / distance);
    } else {
      this.camera.fov = NEAR;
      const distance = (1.2 * narrow * this.extent) / Math.tan((NEAR * Math.PI) / 360);
      const [polar, around] = { front: [1.45, 0.45], side: [1.45, Math.PI / 2], top: [0.02, 0] }[from];
      this.camera.position.setFromSpherical(new Spherical(distance, polar, around)).add(target);
    }
    this.camera.updateProjectionMatrix();
    this.controls.update();
    this.draw();
  }

  /** Turn or approach by keys. */
  turn(around, up, nearer = 1) {
    this.fixed = false;
    const place = new Spherical().setFromVector3(this.camera.position.clone().sub(this.controls.target));
    place.theta += around;
    place.phi += up;
    place.radius *= nearer;
    place.makeSafe();
    this.camera.position.setFromSpherical(place).add(this.controls.target);
    this.controls.update();
    this.draw();
  }

  /** Mark a joint of the refined body, or none. */
  mark(joint) {
    const body = joint === null ? null : this.content.body("after", this.row);
    this.ball.visible = Boolean(body);
    if (body) this.ball.position.fromArray(body.joints, 3 * joint);
    this.draw();
  }

  #showCamera(row, body, shown) {
    const [fx, fy, cx, cy] = this.content.row("camera", row);
    const [width, height] = this.content.facts.size;
    const depth = body ? body.root[2] : 4;
    const at = (u, v, z) => [((u - cx) / fx) * z, ((v - cy) / fy) * z, z];
    const usable = [fx, fy, cx, cy].every(Number.isFinite) && fx > 0 && fy > 0 && depth > 0;
    this.frustum.visible = this.plane.visible = shown.camera && usable;
    this.rays.visible = Boolean(shown.rays && usable);
    if (this.frustum.visible) {
      const back = depth + 1.3 * (this.extent ?? 1); // behind the body, where it is in the way of nothing
      const corners = [at(0, 0, back), at(width, 0, back), at(width, height, back), at(0, height, back)];
      setPoints(this.frustum, corners.flatMap((corner, k) => [...fromCamera(corner), corner, corners[(k + 1) % 4]]));
      setPoints(this.plane, [0, 1, 2, 0, 2, 3].map((k) => corners[k]));
    }
    if (this.rays.visible) {
      const seen = (this.content.pairs("keypoints", row) ?? []).filter(Boolean);
      setPoints(this.rays, seen.flatMap(([u, v]) => fromCamera(at(u, v, depth + 0.5))));
    }
  }

  #resize() {
    const { clientWidth, clientHeight } = this.canvas.parentElement;
    if (!clientWidth || !clientHeight) return;
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / clientHeight;
    this.camera.setViewOffset(clientWidth, clientHeight, 0, BUTTONS / 2, clientWidth, clientHeight);
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.renderer.render(this.scene, this.camera);
    });
  }
}

/** Pieces of the line from the camera to a point: drivers lose long lines that begin behind the viewer. */
function fromCamera(point) {
  return Array.from({ length: 2 * PIECES }, (_, k) => point.map((one) => (one * ((k + 1) >> 1)) / PIECES));
}

function setPoints(object, points) {
  object.geometry.dispose();
  object.geometry = new BufferGeometry();
  object.geometry.setAttribute("position", new BufferAttribute(new Float32Array(points.flat()), 3));
}
