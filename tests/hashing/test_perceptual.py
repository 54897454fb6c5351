"""PDQ of pixels against the reference."""

import numpy as np
import pdqhash
import skimage.data

from safelight.hashing.perceptual import hash_pixels


def test_rgb_gray_and_strided_views_equal_the_reference() -> None:
    rgb = skimage.data.astronaut()
    gray = np.ascontiguousarray(rgb[:, :, 1])
    for pixels in (rgb, rgb[::-1], rgb[:, ::2], gray, gray.T):
        same = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
        vectors, quality = pdqhash.compute_dihedral(np.ascontiguousarray(same))
        result = hash_pixels(pixels, width=pixels.shape[1], height=pixels.shape[0])
        assert list(result.dihedral) == [np.packbits(v).tobytes().hex() for v in vectors]
        assert result.quality == quality
