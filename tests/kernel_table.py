"""Every kernel once: its arguments are made on a device and in a precision, so that devices can be compared.

One line a kernel, by its module and name below `xai_widgets.kernels`. A kernel that is not here fails a test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from kernel_places import Place, as_it_is, effects, ending, human, inside, last, noises, of_maps, patches, patchy, some

from xai_widgets.kernels import (
    ablation,
    affine,
    agreement,
    anytime,
    baselines,
    cam,
    degrade,
    displays,
    draws,
    endings,
    errors,
    gradients,
    guided,
    home,
    measures,
    medians,
    mismatch,
    outputs,
    questions,
    ranks,
    receipts,
    regions,
    removals,
    robustness,
    saliency,
    scores,
    screening,
    slopes,
)
from xai_widgets.kernels.cam import base
from xai_widgets.kernels.cam import scores as cam_scores
from xai_widgets.kernels.measures import (
    explaining,
    levels,
    methods,
    moves,
    noise,
    removal,
    runs,
    similarity,
    spread,
)
from xai_widgets.kernels.tail import Tail, arithmetic_of

Row = Callable[[Place], Any]
GRADIENT: dict[str, Row] = {
    name: lambda p, name=name: getattr(gradients, name)(p.one.shell, p.images, gradients.of_output(1))  # type: ignore[misc]
    for name in ("gradient", "input_x_gradient", "guided_backpropagation", "positive_saliency")
}
KERNELS: dict[str, Row] = {
    "gains.with_gains": lambda p: ablation.with_gains(p.maps, p.uniform(2, 6), p.uniform(6, seed=1)),
    "gains.level_of": lambda p: ablation.level_of(p.uniform(6), p.maps),
    "gains.dead": lambda p: ablation.dead(torch.where(p.mask(2, 6, 1, 1), 0, p.maps)),
    "removals.places_of": lambda p: removals.places_of([2, 0], p.maps)[1],
    "removals.removal_scores": lambda p: list(ablation.removal_scores(p.one, as_it_is, p.indices(3, 0, 5), batch=2)),
    "ablation.delta_y": lambda p: ablation.delta_y(p.one, as_it_is, 1, baseline=p.uniform(6)),
    "ablation.closed_form": lambda p: ablation.closed_form(
        Tail(p.one.shell, "mix", p.images[:1]), as_it_is, 1, baseline=p.uniform(8)
    ),
    "removals.group_scores": lambda p: ablation.group_scores(p.one, as_it_is, p.mask(5, 6)),
    "removals.place_scores": lambda p: ablation.place_scores(
        p.one, as_it_is, p.mask(5, 1, 8, 8), ablation.level_of(None, p.one.maps), None, None
    ),
    "scores.probabilities": lambda p: ablation.probabilities(as_it_is)(p.one.result),
    "slopes.first_order": lambda p: ablation.first_order(p.one, as_it_is, 2),
    "errors.delta_error": lambda p: effects(p, lambda change, error, y, known: error),
    "errors.roles": lambda p: effects(p, lambda change, error, y, known: ablation.roles(change, error, y)),
    "errors.one_sided": lambda p: effects(p, lambda change, error, y, known: ablation.one_sided(change, y - known)),
    "scores.own_scores": lambda p: ablation.own_scores(p.two, as_it_is),
    "ablation.delta_logits": lambda p: ablation.delta_logits(p.one, as_it_is, baseline=p.uniform(6)),
    "ablation.anytime_delta_logits": lambda p: list(ablation.anytime_delta_logits(
        p.one, as_it_is, p.indices(3, 0, 5), batch=2
    )),
    "ablation.delta_y_of": lambda p: ablation.delta_y_of(p.two, as_it_is, [1, 0]),
    "ablation.delta_logits_of": lambda p: ablation.delta_logits_of(p.two, as_it_is),
    "removals.group_scores_of": lambda p: removals.group_scores_of(p.two, as_it_is, p.mask(5, 6)),
    "removals.checked_order": lambda p: removals.checked_order([3, 0], p.one.maps),
    "errors.residual": lambda p: errors.residual(p.uniform(4), p.uniform(4, seed=1)),
    "errors.delta_cross_entropy": lambda p: errors.delta_cross_entropy(p.signed(3), p.signed(5, 3, seed=1), 1),
    "errors.delta_binary_cross_entropy": lambda p: errors.delta_binary_cross_entropy(
        p.signed(3), p.signed(5, 3, seed=1), p.mask(3)
    ),
    "slopes.first_orders": lambda p: slopes.first_orders(p.one, as_it_is, None, p.uniform(6)),
    "scores.output_of": lambda p: scores.output_of(as_it_is, 1, p.one.result),
    "scores.rounding_of": lambda p: scores.rounding_of(p.one, p.one.result) > 0,
    "scores.one_image": lambda p: scores.one_image(p.one),
    "scores.images_of": lambda p: [tail.maps for tail in scores.images_of(p.two)],
    "regions.share_of_pixels": lambda p: regions.share_of_pixels(0.1),
    "saliency.as_floating": lambda p: saliency.as_floating("a mask", p.mask(2, 3, 4)),
    "displays.by_push": lambda p: effects(p, lambda change, error, y, known: displays.by_push(change, error)),
    "displays.harmful_only": lambda p: effects(p, lambda change, error, y, known: displays.harmful_only(change, error)),
    "receipts.place_receipts": lambda p: [receipt[:-1] for receipt in receipts.place_receipts(
        p.two, as_it_is, p.maps[:, 0], generator=p.generator
    )],
    "receipts.map_receipts": lambda p: [receipt[:-1] for receipt in receipts.map_receipts(
        p.two, as_it_is, [1, 4], generator=p.generator
    )],
    "affine.is_affine": lambda p: [affine.is_affine(Tail(p.one.shell, name, p.images), as_it_is)
                                   for name in ("features", "mix")],
    "agreement.at_size": lambda p: [agreement.at_size(p.maps[:, 0], size) for size in ((5, 12), (16, 16))],
    "agreement.nss": lambda p: of_maps(p, lambda a, b: agreement.nss(a, b > 0.8)),
    "agreement.cc": lambda p: of_maps(p, agreement.cc),
    "agreement.sim": lambda p: of_maps(p, agreement.sim),
    "agreement.kl": lambda p: of_maps(p, agreement.kl),
    "agreement.auc_judd": lambda p: of_maps(p, lambda a, b: agreement.auc_judd(a, b > 0.8)),
    "agreement.shuffled_auc": lambda p: of_maps(p, lambda a, b: agreement.shuffled_auc(a, b > 0.8)),
    "agreement.auc_against": lambda p: of_maps(
        p, lambda a, b: agreement.auc_against(a, b > 0.8, (4 * b.abs()).clamp_max(9).long())
    ),
    "agreement.counts_at": lambda p: agreement.counts_at(p.mask(8, 6).long(), (5, 12)),
    "agreement.auc": lambda p: agreement.auc(p.uniform(9), p.uniform(12, seed=1)),
    "regions.top_share": lambda p: of_maps(p, lambda a, b: agreement.top_share(a, 0.1)),
    "agreement.relative_risk": lambda p: of_maps(p, lambda a, b: agreement.relative_risk(a, b, 0.2)),
    "agreement.relative_risks": lambda p: of_maps(p, lambda a, b: agreement.relative_risks(a, b, (0.2, 0.3))),
    "anytime.estimated_delta_y": lambda p: anytime.estimated_delta_y(p.one, as_it_is, 1),
    "anytime.first_known": lambda p: anytime.first_known(p.one, as_it_is, 1),
    "anytime.anytime_delta_y": lambda p: last(anytime.anytime_delta_y(p.one, as_it_is, 1)),
    "baselines.mean_baseline": lambda p: baselines.mean_baseline([p.maps, p.two]),
    "baselines.resampled_baseline": lambda p: baselines.resampled_baseline([p.maps, p.two], generator=p.generator),
    "cam.base.grad_cam": lambda p: cam.grad_cam(p.two, as_it_is, p.indices(0, 2)),
    "cam.base.cam_of": lambda p: cam.cam_of(p.two, as_it_is, p.signed(2, 3), maps=0.5 * p.two.maps),
    "cam.base.recording": lambda p: None,
    "cam.base.replayed": lambda p: inside(p, lambda leaf, y, weights: [leaf.detach(), y.detach()]),
    "cam.base.leaf_of": lambda p: base.leaf_of(p.two, None).detach(),
    "cam.base.differentiable": lambda p: inside(p, lambda leaf, y, weights: base.differentiable(y).detach()),
    "cam.base.unit_slope": lambda p: inside(p, base.unit_slope),
    "cam.base.slope_of": lambda p: inside(p, cam.slope_of),
    "cam.base.cam_at": lambda p: inside(p, base.cam_at).detach(),
    "cam.base.one_hot": lambda p: base.one_hot(p.indices(2, 0), p.signed(2, 3)),
    "cam.base.hot_at": lambda p: base.hot_at(p.indices(2, 0), p.signed(2, 3)),
    "cam.base.one_slope": lambda p: inside(p, lambda leaf, y, weights: base.one_slope(leaf, y, weights, 2.0)),
    "cam.base.scales_of": lambda p: base.scales_of(p.maps, p.signed(2, 3)),
    "cam.base.unit_of_rows": lambda p: base.unit_of_rows(p.signed(2, 3)),
    "cam.base.weighted": lambda p: base.weighted(p.maps, p.signed(2, 6)),
    "cam.base.with_gradient": lambda p: inside(p, lambda leaf, y, weights: base.with_gradient(y).detach()),
    "cam.change.smallest_change": lambda p: cam.smallest_change(p.regression, as_it_is, 0.0),
    "cam.classes.contrast_weights": lambda p: cam.contrast_weights(p.signed(2, 3), 1),
    "cam.classes.class_contrast": lambda p: cam.class_contrast(p.two, as_it_is, 1),
    "cam.classes.counterfactual": lambda p: cam.counterfactual(p.two, as_it_is),
    "tail.replayable.arithmetic_of": lambda p: arithmetic_of(p.one).__enter__(),
    "cam.base.check_placed": lambda p: base.check_placed(p.one),
    "cam.base.classes_of": lambda p: base.classes_of(as_it_is)[1:],
    "cam.base.grad_cam_weights": lambda p: cam.grad_cam_weights(p.two, as_it_is, p.indices(0, 2)),
    "cam.base.finite_weights": lambda p: base.finite_weights(p.signed(2, 6), p.maps),
    "cam.base.without_dead": lambda p: base.without_dead(p.maps + 1, p.maps),
    "cam.base.predicted": lambda p: base.predicted(as_it_is, p.signed(2, 3)),
    "cam.base.scaled_slope": lambda p: inside(p, base.scaled_slope),
    "cam.base.wide_of": lambda p: str(base.wide_of(p.indices(1))),
    "cam.scores.one_score": lambda p: cam_scores.one_score("it", p.signed(2, 3), 1, None),
    "cam.classes.class_cams": lambda p: [cam.class_cams(tail, as_it_is)
                                         for tail in (p.one, p.two, Tail(p.one.shell, "mix", p.images[:1]))],
    "cam.classes.all_contrasts": lambda p: cam.all_contrasts(p.two, as_it_is),
    "cam.classes.contrasts_of": lambda p: cam.contrasts_of(p.signed(2, 3, 8, 8), p.signed(2, 3)),
    "cam.classes.contrast_uncertainty": lambda p: cam.contrast_uncertainty(p.signed(2, 3, 8, 8)),
    "cam.scores.score_contrast": lambda p: cam.score_contrast(p.regression, as_it_is, 0.2),
    "cam.scores.patch_contrast": lambda p: cam.patch_contrast(patchy(p), patches, 0.2),
    "cam.scores.tile_contrast": lambda p: cam.tile_contrast(p.tiles, p.images[0], 0.2, window=8),
    "degrade.check_range": lambda p: degrade.check_range("images", p.images),
    "degrade.check_noise": lambda p: degrade.check_noise("blur", (0.1,), 16),
    "degrade.blur_levels": lambda p: degrade.blur_levels(224),
    "degrade.noise_levels": lambda p: degrade.noise_levels("blur", 224),
    "degrade.pure_noise": lambda p: degrade.pure_noise(p.images, generator=3),
    "degrade.changed": lambda p: degrade.changed(
        p.images, lambda images, level, generator: images * level, 0.5, generator=p.generator
    ),
    "degrade.corrupted": lambda p: [degrade.corrupted(p.images, kind, 0.1, generator=p.generator)
                                   for kind in degrade.NOISES],
    "degrade.jpeg": lambda p: degrade.jpeg(p.images[:, :3], 30),
    "degrade.salt_and_pepper": lambda p: degrade.salt_and_pepper(p.images, 0.3, generator=p.generator),
    "degrade.gaussian_noise": lambda p: degrade.gaussian_noise(p.images, 0.3, generator=p.generator),
    "degrade.blur": lambda p: degrade.blur(p.images, 1.3),
    "degrade.graded_blur": lambda p: degrade.graded_blur(p.images, p.uniform(2, 16, 16)),
    "degrade.graded_blurs": lambda p: degrade.graded_blurs(p.images, p.uniform(2, 2, 16, 16)),
    "degrade.shift": lambda p: degrade.shift(p.images, 2, -3),
    "degrade.overlap": lambda p: of_maps(p, lambda a, b: degrade.overlap(a, b, 2, -3)),
    "degrade.flip": lambda p: degrade.flip(p.images, vertical=True),
    "degrade.turn": lambda p: degrade.turn(p.images, 1),
    "displays.behaviour": lambda p: effects(p, lambda change, error, y, known: displays.behaviour(change)),
    "displays.human_behaviour": lambda p: effects(p, lambda change, error, y, known: displays.human_behaviour(error)),
    "displays.primary": lambda p: effects(p, lambda change, error, y, known: displays.primary(change, error)),
    "displays.secondary": lambda p: effects(p, lambda change, error, y, known: displays.secondary(error)),
    "displays.unlabelled": lambda p: effects(p, lambda change, *_: displays.unlabelled(change, p.signed(6, seed=2))),
    "displays.combined": lambda p: effects(p, lambda change, error, *_: displays.combined(p.maps, change, error)),
    "displays.outline": lambda p: of_maps(p, lambda a, b: displays.outline(a - 0.5)),
    "draws.check_generator": lambda p: draws.check_generator(p.generator).initial_seed(),
    "draws.seeded": lambda p: draws.seeded(3).initial_seed(),
    "draws.normal": lambda p: draws.normal((2, 3), p.generator, p.images),
    "draws.uniform": lambda p: draws.uniform((2, 3), p.generator, p.images),
    "draws.below": lambda p: draws.below((0.1, 0.5), (2, 3), p.generator, p.device),
    "draws.whole": lambda p: draws.whole(9, (2, 3), p.generator, p.device),
    "draws.for_images": lambda p: draws.for_images([1, 2], 2, lambda g: draws.uniform((1, 3), g, p.images)),
    "draws.generator_of": lambda p: draws.generator_of(3).initial_seed(),
    "draws.one_an_image": lambda p: [g.initial_seed() for g in draws.one_an_image([1, 2], 2)],
    "draws.repeatable": lambda p: draws.normal((3,), draws.repeatable(p.generator)(), p.images),
    "draws.seed_of": lambda p: draws.seed_of(p.generator),
    "guided.check_seen": lambda p: inside(p, lambda leaf, y, weights: guided.check_seen(leaf)),
    **{f"gradients.{name}": row for name, row in GRADIENT.items()},
    "questions.of_output": lambda p: questions.of_output(1)(p.signed(2, 3)),
    "questions.of_counterfactual": lambda p: questions.of_counterfactual(1)(p.signed(2, 3)),
    "questions.of_class_contrast": lambda p: questions.of_class_contrast(1)(p.signed(2, 3)),
    "questions.of_full_confidence": lambda p: questions.of_full_confidence(1)(p.signed(2, 3)),
    "questions.cam_of_question": lambda p: questions.cam_of_question(p.one, as_it_is, gradients.of_class_contrast(1)),
    "questions.passes": lambda p: questions.passes(p.one, as_it_is, questions.of_class_contrast(1)),
    "questions.read_cam": lambda p: questions.read_cam(p.one, as_it_is, questions.of_output(1), maps=0.5 * p.one.maps),
    "questions.weights_of": lambda p: questions.weights_of(questions.of_class_contrast(1), p.signed(2, 3), as_it_is),
    "questions.cam_unchecked": lambda p: inside(
        p, lambda leaf, y, weights: questions.cam_unchecked(leaf, y, weights, None).detach()
    ),
    "home.home": lambda p: home.home(p.maps, p.indices(2, 0)),
    "home.sent": lambda p: home.sent(torch.arange(3, device="cpu"), p.device),
    "questions.of_score_contrast": lambda p: questions.of_score_contrast(0.3)(p.signed(2, 1)),
    "gradients.smooth_grad": lambda p: gradients.smooth_grad(
        p.one.shell, p.images, gradients.of_output(1), generator=p.generator, n_samples=3
    ),
    "gradients.over_channels": lambda p: gradients.over_channels(p.images - 0.5),
    "measures.methods.grad_cam_explainer": lambda p: p.explainer(p.images, p.indices(0, 2)),
    "measures.methods.explainer_of": lambda p: methods.explainer_of(p.explain)(p.images, None).maps,
    "measures.explaining.one_image": lambda p: explaining.one_image(p.images[0]),
    "measures.auroc.class_auroc": lambda p: measures.class_auroc(p.signed(6, 3, 2), p.indices(0, 1, 0, 1, 1, 0)),
    "measures.auroc.auroc_of_odds": lambda p: measures.auroc_of_odds(p.signed(6, 3, 2), p.indices(0, 1, 0, 1, 1, 0)),
    "measures.auroc.class_log_odds": lambda p: measures.class_log_odds(p.signed(6, 3, 4)),
    "measures.levels.ladders_of": lambda p: levels.ladders_of(("blur",), {}, {"blur": (1.0,)}, 16),
    "measures.levels.levels_of": lambda p: levels.levels_of("blur", None, 16),
    "measures.levels.name_of": lambda p: levels.name_of("blur"),
    "measures.explaining.explain_for": lambda p: explaining.explain_for(p.explainer, p.images[0])(p.images),
    "measures.explaining.clean_of": lambda p: p.clean,
    "measures.explaining.explained": lambda p: explaining.explained(p.explainer, p.images, None, batch=1),
    "measures.explaining.batch_of": lambda p: explaining.batch_of(p.images, 4),
    "measures.explaining.explained_copies": lambda p: [
        found[1:] for found in explaining.explained_copies(
            p.explainer, p.images, None, lambda start, end: p.images[start:end, None].expand(-1, 2, -1, -1, -1), 2
        )
    ],
    "measures.explaining.compared": lambda p: of_maps(p, lambda a, b: explaining.compared(a, [b[:, None]])),
    "measures.intervals.mean_defined": lambda p: measures.mean_defined(p.put(torch.tensor([1.0, math.nan, 2.0]))),
    "measures.intervals.bootstrap_interval": lambda p: measures.bootstrap_interval(p.uniform(9), generator=p.generator),
    "measures.intervals.interval_of_mean": lambda p: measures.interval_of_mean(p.uniform(9), generator=p.generator),
    "measures.intervals.intervals_of_means": lambda p: measures.intervals_of_means(
        torch.where(p.mask(9, 3), math.nan, p.uniform(9, 3)), generator=5, draws=50
    ),
    "measures.intervals.interval_of_stability": lambda p: measures.interval_of_stability(
        p.uniform(5, 3), generator=p.generator
    ),
    "measures.moves.resilience_by_transform": lambda p: measures.resilience_by_transform(p.explain, p.images[0]),
    "measures.moves.resilience": lambda p: measures.resilience(p.explain, p.images[0]),
    "measures.moves.resilience_of": lambda p: measures.resilience_of(p.explainer, p.images, p.clean),
    "measures.moves.group_means": lambda p: moves.group_means(measures.resilience_of(p.explainer, p.images, p.clean)),
    "measures.moves.resilience_rows": lambda p: measures.resilience_rows(
        measures.resilience_of(p.explainer, p.images, p.clean), "fixed"
    ),
    "measures.moves.at_size_of": lambda p: moves.at_size_of(p.images, p.maps[:, 0]),
    "measures.noise.noise_robustness": lambda p: measures.noise_robustness(
        p.explain, p.images[0], generator=p.generator, levels=(0.1, 0.3)
    ),
    "measures.noise.noise_of": lambda p: noise.noise_of(p.explainer, p.images, p.clean, generators=noises(p)),
    "measures.five.measured": lambda p: [
        one.values for one in measures.measured(p.explainer, p.images, generators=[3, 4], kinds=("salt_and_pepper",))
    ],
    "measures.radar.five_measures": lambda p: measures.five_measures(
        [p.explainer, p.explainer], p.images, seeds=(0, 1), levels=(0.1,)
    ).axes(),
    "measures.removal.focus": lambda p: measures.focus(p.explain, p.images[0]),
    "measures.removal.focus_of": lambda p: measures.focus_of(p.explainer, p.images, p.clean),
    "measures.removal.removals": lambda p: measures.removals(p.images[0], p.maps[0, 0]),
    "measures.removal.removals_of": lambda p: measures.removals_of(p.images, p.maps[:, 0]),
    "measures.removal.focus_mask": lambda p: removal.focus_mask(p.maps[0, 0], (16, 16)),
    "measures.removal.focus_mask_of": lambda p: removal.focus_mask_of(p.maps[:, 0], (16, 16)),
    "measures.rows.mean_of": lambda p: measures.rows.mean_of([1.0, math.nan]),
    "measures.runs.stability": lambda p: measures.stability(p.maps[0]),
    "measures.runs.stability_of": lambda p: measures.stability_of(p.maps),
    "measures.runs.pair_similarity": lambda p: measures.pair_similarity(p.maps),
    "measures.runs.degenerate_runs": lambda p: measures.degenerate_runs(torch.where(p.mask(2, 6, 1, 1), 0, p.maps)),
    "measures.runs.stability_rows": lambda p: measures.stability_rows(
        measures.pair_similarity(p.maps), measures.degenerate_runs(p.maps), (8, 8), "fixed"
    ),
    "measures.runs.pair_name": lambda p: runs.pair_name(2, 0),
    "measures.runs.pairs_of": lambda p: runs.pairs_of(4, p.device),
    "measures.similarity.ssim": lambda p: of_maps(p, similarity.ssim),
    "measures.similarity.degenerate_maps": lambda p: similarity.degenerate_maps(p.maps[:, 0] * p.mask(2, 1, 1)),
    "measures.similarity.scaled": lambda p: of_maps(p, lambda a, b: similarity.scaled(a)),
    "measures.similarity.as_maps": lambda p: similarity.as_maps("a mask", p.mask(2, 8, 8)),
    "measures.spread.entropy": lambda p: of_maps(p, lambda a, b: spread.entropy(a)),
    "measures.spread.entropy_rows": lambda p: measures.entropy_rows(p.clean, measures.entropy(p.clean.maps)),
    "mismatch.label_set": lambda p: mismatch.label_set(p.signed(1, 5), "others"),
    "mismatch.implicit_saliency": lambda p: [mismatch.implicit_saliency(p.one, as_it_is, kind=kind, smoothing=0.7)
                                             for kind in mismatch.KINDS],
    "mismatch.label_gradients": lambda p: mismatch.label_gradients(p.one, as_it_is, p.indices(0, 2)),
    "mismatch.uniform_gradient": lambda p: mismatch.uniform_gradient(p.one, as_it_is),
    "mismatch.implicit_saliency_of": lambda p: mismatch.implicit_saliency_of(p.two, as_it_is),
    "outputs.are_probabilities": lambda p: outputs.are_probabilities(p.signed(2, 3).softmax(1)),
    "outputs.are_log_probabilities": lambda p: outputs.are_log_probabilities(p.signed(2, 3).log_softmax(1)),
    "endings.ending_of": lambda p: endings.ending_of(ending(p), p.images),
    "endings.function_of": lambda p: endings.function_of(ending(p), p.images),
    "endings.logits_shell": lambda p: Tail(
        endings.logits_shell(ending(p).original, some(endings.ending_of(ending(p), p.images))), "0.features", p.images
    ).result,
    "robustness.robustness_of": lambda p: robustness.robustness_of(
        {"cam": p.explain}, lambda maps: maps.mean((1, 2)), p.images, generator=[1, 2], levels=(1.0,)
    ),
    "robustness.robustness": lambda p: robustness.robustness(
        {"cam": p.explain}, human(p), p.images[0], generator=p.generator, kind="gaussian_noise", levels=(0.1, 0.3)
    ),
    "receipts.place_receipt": lambda p: receipts.place_receipt(
        p.one, as_it_is, p.maps[0, 0], generator=p.generator
    )[:-1],
    "receipts.map_receipt": lambda p: receipts.map_receipt(p.one, as_it_is, [1, 4], generator=p.generator)[:-1],
    "saliency.weighted_sum": lambda p: [saliency.weighted_sum(p.maps, p.signed(2, 6), normal=normal)
                                        for normal in saliency.NORMALS],
    "saliency.signed_scale": lambda p: saliency.signed_scale(p.maps[:, 0] - 0.5),
    "saliency.degeneracy": lambda p: saliency.degeneracy(torch.where(p.mask(2, 1, 1), 0, p.maps[:, 0])),
    "saliency.degenerate": lambda p: saliency.degenerate(torch.where(p.mask(2, 1, 1), 0, p.maps[:, 0])),
    "saliency.resize": lambda p: [saliency.resize(p.maps[:, 0], size) for size in ((5, 12), (16, 16))],
    "screening.screened_delta_y": lambda p: screening.screened_delta_y(p.one, as_it_is, 1, top=6).delta_y,
    "medians.medians": lambda p: medians.medians(p.signed(9, 4)),
    "medians.rank_below": lambda p: medians.rank_below(40, 0.95),
    "ranks.rank_correlation": lambda p: ranks.rank_correlation(p.signed(9), p.signed(9, seed=1)),
    "tail.Tail": lambda p: [p.one(0.5 * p.one.maps), p.two(0.5 * p.two.maps), p.one.without(
        p.indices(0, 3), p.uniform(6, 1, 1)), p.one.maps, p.one.result],
}  # fmt: skip
